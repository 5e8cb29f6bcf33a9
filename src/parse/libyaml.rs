//! Forms that kubectl's parser reads and ours rejects. Each is replaced by another form of the same meaning on the same
//! line.

mod forms;

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::Event;

use super::encoding::BYTE_ORDER_MARK;
use super::events::events;

/// Tags whose values are strings in JSON: timestamps, and binary data, which kubectl decodes even if it is no text.
const STRING_TAGS: [(&str, &[&str]); 2] = [
    ("timestamp", &["!<tag:yaml.org,2002:timestamp>", "!!timestamp", "!timestamp"]),
    ("binary", &["!<tag:yaml.org,2002:binary>", "!!binary", "!binary"]),
];

/// A text with these forms replaced.
pub struct Replaced<'t> {
    pub text: Cow<'t, str>,
    /// Where the lengths differ: a position in `text`, and the one in the original. Sorted.
    moved: Vec<(usize, usize)>,
}

impl Replaced<'_> {
    /// The position in the original text of one in the replaced text.
    pub fn original(&self, position: usize) -> usize {
        let next = self.moved.partition_point(|(replaced, _)| *replaced <= position);
        match next.checked_sub(1).and_then(|last| self.moved.get(last)) {
            Some((replaced, original)) => original + (position - replaced),
            None => position,
        }
    }
}

/// `text` with these forms replaced: byte order marks at the start of a line, tabs before a line in a flow collection,
/// tags of timestamps and of binary data that is no text, and forms of libyaml's scanner.
pub fn replaced(text: &str) -> Replaced<'_> {
    let mut text = Cow::Borrowed(text);
    for replace in [without_marks, without_tabs, without_tags] {
        if let Some(other) = replace(&text) {
            text = Cow::Owned(other);
        }
    }
    let is_rejected = |text: &str| events(text).any(|event| event.is_err());
    if forms::may_have_forms(&text) && is_rejected(&text) {
        let (other, moved) = apply(&text, forms::edits(&text));
        // Otherwise the text is wrong, and errors refer to it as it is.
        if !is_rejected(&other) {
            return Replaced { text: Cow::Owned(other), moved };
        }
    }
    Replaced { text, moved: Vec::new() }
}

/// The text with `edits`, and where positions moved.
fn apply(text: &str, mut edits: Vec<forms::Edit>) -> (String, Vec<(usize, usize)>) {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut replaced, mut moved, mut end) = (String::with_capacity(text.len() + edits.len()), Vec::new(), 0);
    for (range, with) in edits {
        replaced.push_str(&text[end..range.start]);
        replaced.push_str(&with);
        end = range.end;
        moved.push((replaced.len(), end));
    }
    replaced.push_str(&text[end..]);
    (replaced, moved)
}

/// Concatenated files have byte order marks behind `---`. Spaces at the end of the line before it take its place.
fn without_marks(text: &str) -> Option<String> {
    if !text.contains("\n\u{feff}") {
        return None;
    }
    let mut replaced = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let rest = if index == 0 { line } else { line.trim_start_matches(BYTE_ORDER_MARK) };
        let end = if replaced.ends_with("\r\n") { 2 } else { 1 };
        if rest.len() < line.len() {
            let position = replaced.len() - end;
            replaced.insert_str(position, &" ".repeat(line.len() - rest.len()));
        }
        replaced.push_str(rest);
    }
    Some(replaced)
}

/// Spaces in place of the tabs before each line in a flow collection. Elsewhere YAML does not allow them, or they are
/// part of a text.
fn without_tabs(text: &str) -> Option<String> {
    let is_blank = |character: char| matches!(character, ' ' | '\t');
    let is_indented_by_tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    if !text.lines().any(is_indented_by_tab) {
        return None;
    }
    let spaces: String = text
        .split_inclusive('\n')
        .flat_map(|line| {
            let rest = line.trim_start_matches(is_blank);
            [" ".repeat(line.len() - rest.len()), rest.to_owned()]
        })
        .collect();
    let flows = flows(&spaces);
    let mut replaced = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let start = replaced.len();
        let next = flows.partition_point(|flow| flow.end <= start);
        let is_in_flow = flows.get(next).is_some_and(|flow| flow.contains(&start));
        replaced.push_str(if is_in_flow { &spaces[start..start + line.len()] } else { line });
    }
    Some(replaced)
}

/// The byte ranges of the outermost flow collections. One that is not closed goes on to the end.
fn flows(text: &str) -> Vec<Range<usize>> {
    let (mut flows, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (event, span) in events(text).map_while(Result::ok) {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let is_flow = text[range.start..].starts_with(['[', '{']);
                if depth == 0 && is_flow {
                    begin = range.start;
                }
                if depth > 0 || is_flow {
                    depth += 1;
                }
            }
            Event::SequenceEnd | Event::MappingEnd if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    flows.push(begin..range.end);
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        flows.push(begin..text.len());
    }
    flows
}

/// The string tag in place of these tags.
fn without_tags(text: &str) -> Option<String> {
    if !STRING_TAGS.iter().any(|(name, _)| text.contains(name)) {
        return None;
    }
    let mut replaced = text.to_owned();
    let mut end_of_last = 0;
    for (event, span) in events(text).map_while(Result::ok) {
        let Some(range) = span.byte_range() else { continue };
        // The tag is between the last event and the value.
        let begin = end_of_last.min(range.start);
        end_of_last = range.end.max(end_of_last);
        let Event::Scalar(value, _, _, Some(tag)) = event else { continue };
        let mut tags = STRING_TAGS.iter();
        let Some((name, written)) = tags.find(|(name, _)| tag.suffix().ends_with(name)) else { continue };
        if *name == "binary" && !is_binary(&value) {
            continue;
        }
        let before = &text[begin..range.start];
        let Some(found) = before.rfind(name) else { continue };
        let end = found + name.len();
        let end = end + usize::from(before[end..].starts_with('>'));
        if let Some(written) = written.iter().find(|written| before[..end].ends_with(**written)) {
            let width = written.len();
            let end = begin + end;
            replaced.replace_range(end - width..end, &format!("{:width$}", "!!str"));
        }
    }
    Some(replaced)
}

/// Whether a value is the Base64 of bytes that are no text.
fn is_binary(value: &str) -> bool {
    let encoded: String = value.split_ascii_whitespace().collect();
    STANDARD.decode(encoded).is_ok_and(|bytes| String::from_utf8(bytes).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_replaced_by_others_of_the_same_length() {
        let cases = [
            ("a: b\n", "a: b\n"),
            ("---\n\u{feff}a: b\n", "---   \na: b\n"),
            ("---\r\n\u{feff}\u{feff}a: b\r\n", "---      \r\na: b\r\n"),
            ("---\n\n\u{feff}# c\n\u{feff}a: b", "---\n   \n# c   \na: b"),
            ("\u{feff}a: x\u{feff}y\n", "\u{feff}a: x\u{feff}y\n"),
            ("a: {\n\tb: [\n \t\tc,\n\t]\n}\n", "a: {\n b: [\n   c,\n ]\n}\n"),
            ("a: {\n\tb: [\n", "a: {\n b: [\n"),
            ("a: [\n\t# c\n\tb]\nc:\n\td: e\n", "a: [\n # c\n b]\nc:\n\td: e\n"),
            ("a: |\n  {\n  \tb\nc: [\n\td]\n", "a: |\n  {\n  \tb\nc: [\n d]\n"),
            ("a:\n\tb: c\n", "a:\n\tb: c\n"),
            ("a: !!timestamp 2024-01-01\n", "a: !!str       2024-01-01\n"),
            ("a: !!timestamp &t '2024-01-01'\n", "a: !!str       &t '2024-01-01'\n"),
            ("a: !!binary //79/Pv6\n", "a: !!str    //79/Pv6\n"),
            ("a: !!binary |\n  //79\n  /Pv6\n", "a: !!str    |\n  //79\n  /Pv6\n"),
            ("a: !<tag:yaml.org,2002:binary> gICA\n", "a: !!str                       gICA\n"),
            ("a: !!binary aGVsbG8=\nb: binary\n", "a: !!binary aGVsbG8=\nb: binary\n"),
            ("a: !!binary '!'\n", "a: !!binary '!'\n"),
            (
                "a: !<tag:yaml.org,2002:timestamp> 2024-01-01\n",
                "a: !!str                          2024-01-01\n",
            ),
            ("a: '!!timestamp x'\nb: creationTimestamp\n", "a: '!!timestamp x'\nb: creationTimestamp\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(replaced(text).text, expected, "{text:?}");
            assert_eq!(text.len(), expected.len(), "{text:?}");
        }
    }

    #[test]
    fn positions_refer_to_the_original_text() {
        let text = "a: \"it\\'s\"# é\nb: [-, c]# d\ne: {f: g:, h: i}\n";
        let replaced = replaced(text);
        assert_eq!(replaced.text, "a: \"it's\" # é\nb: ['-', c] # d\ne: {f: 'g:', h: i}\n");
        for part in ["a: ", "s\"", "# é", "b: ", ", c", "# d", "e: ", "f: ", ", h", "i}"] {
            let position = replaced.text.find(part).unwrap();
            assert_eq!(replaced.original(position), text.find(part).unwrap(), "{part}");
        }
        let valid = "a: \"b\" # c\nd: e# f\n";
        assert!(matches!(super::replaced(valid).text, Cow::Borrowed(_)));
        for wrong in ["a: \"it\\'s\n", "a: [-\nb: c", "a: [- b]# c"] {
            assert_eq!(super::replaced(wrong).text, wrong, "an error refers to the original");
        }
    }

    #[test]
    fn many_tags_are_replaced_in_one_pass() {
        // An escaped tag cannot be located, and must not be searched for in all of the text before it.
        let lines =
            "- !!timestamp 2024-01-01\n- !!time%73tamp 2024-01-01\n- !!binary //79/Pv6\n".repeat(60_000);
        let text = format!("- timestamp binary\n{lines}");
        let replaced = without_tags(&text).unwrap();
        assert_eq!(replaced.matches("!!str").count(), 120_000);
        assert_eq!(replaced.len(), text.len());
    }
}
