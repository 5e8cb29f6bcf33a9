//! The XML of EC2 and Route 53, as a tree. Entities of a document type are not expanded.

use xmlparser::{ElementEnd, Token, Tokenizer};

/// Deeper than any response.
const DEPTH: usize = 32;

/// An element with its text, or its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Self>,
}

impl Element {
    /// Parses a document.
    ///
    /// # Errors
    /// It is not valid XML, or too deep; the text says where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        for token in Tokenizer::from(text) {
            match token.map_err(|error| error.to_string())? {
                Token::ElementStart { local, .. } => {
                    if open.len() == DEPTH {
                        return Err("too deeply nested".to_owned());
                    }
                    open.push(Self { name: local.as_str().to_owned(), ..Self::default() });
                }
                Token::ElementEnd { end: ElementEnd::Open, .. } => {}
                Token::ElementEnd { end, .. } => {
                    let element = open.pop().ok_or("an end without a start")?;
                    if let ElementEnd::Close(_, name) = end
                        && name.as_str() != element.name
                    {
                        return Err(format!("<{}> ends with </{name}>", element.name));
                    }
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => root = Some(element),
                    }
                }
                Token::Text { text } => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&unescaped(text.as_str()));
                    }
                }
                Token::Cdata { text, .. } => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(text.as_str());
                    }
                }
                _ => {}
            }
        }
        if !open.is_empty() {
            return Err("the document ends too early".to_owned());
        }
        root.ok_or_else(|| "no element".to_owned())
    }

    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child that has some.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }

    pub fn string(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// The items of a list, whatever they are called.
    pub fn items(&self, list: &str) -> impl Iterator<Item = &Self> {
        self.child(list).into_iter().flat_map(|list| &list.children)
    }

    /// The texts in a list: of its items, or of the items' child `name`.
    pub fn texts(&self, list: &str, name: Option<&str>) -> Vec<String> {
        let text = |item: &Self| match name {
            Some(name) => item.text(name).map(str::to_owned),
            None => Some(item.text.trim().to_owned()).filter(|text| !text.is_empty()),
        };
        self.items(list).filter_map(text).collect()
    }
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        if let Some((character, rest)) = known {
            plain.push(character);
            plain.push_str(rest);
        } else {
            plain.push('&');
            plain.push_str(part);
        }
    }
    plain
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"http://x/\"><vpcSet><item><vpcId>vpc-1</vpcId><isDefault>true\
                    </isDefault><tagSet/></item></vpcSet><n:name>a&amp;b &#65;&#x42; &bad; <![CDATA[<c>]]></n:name></R>";
        let root = Element::parse(text).unwrap();
        let vpc = root.items("vpcSet").next().unwrap();
        assert_eq!((vpc.text("vpcId"), vpc.is_true("isDefault")), (Some("vpc-1"), true));
        assert_eq!(vpc.items("tagSet").count(), 0);
        assert_eq!(root.text("name"), Some("a&b AB &bad; <c>"));
        assert_eq!(root.texts("vpcSet", Some("vpcId")), ["vpc-1"]);
    }

    #[test]
    fn invalid_documents_are_errors() {
        for text in ["", "no xml", "<a>", "<a></b>", "</a>", "<a><b></a></b>", "<a", &"<a>".repeat(40)] {
            assert!(Element::parse(text).is_err(), "{text}");
        }
    }
}
