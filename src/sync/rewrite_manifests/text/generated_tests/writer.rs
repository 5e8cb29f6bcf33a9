//! Writes manifests in random equivalent forms of YAML and JSON, both with public and with private images.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::tests::private;
use super::content::Made;
use super::dice::Dice;

const COMMENT: &str = "# castai/hibernate:v0.14";

pub(super) struct Written {
    pub(super) before: String,
    pub(super) after: String,
    /// The forms that were used.
    pub(super) forms: BTreeSet<&'static str>,
}

/// What precedes a node on its line.
#[derive(Clone, Copy, PartialEq)]
enum Prefix {
    Nothing,
    Key,
    Dash,
}

struct Writer<'d> {
    dice: &'d mut Dice,
    written: Written,
    /// Pointers to the images of the current document.
    images: BTreeSet<String>,
    anchors: Vec<(String, String)>,
    containers: Vec<(String, Map<String, Value>)>,
}

pub(super) fn write(made: &[Made], dice: &mut Dice) -> Written {
    let is_json = made[0].value.is_object() && dice.once_in(5);
    let written = Written { before: String::new(), after: String::new(), forms: BTreeSet::new() };
    let mut writer =
        Writer { dice, written, images: BTreeSet::new(), anchors: Vec::new(), containers: Vec::new() };
    if writer.dice.once_in(8) {
        writer.form("mark");
        writer.put("\u{feff}");
    }
    for (index, made) in made.iter().enumerate() {
        writer.images = made.images.iter().cloned().collect();
        writer.anchors.clear();
        writer.containers.clear();
        if is_json {
            writer.form("json");
            writer.json(&made.value, "");
            let between = writer.dice.pick(&["\n", "", " \n\n", "\t"]);
            writer.put(between);
        } else {
            writer.separate(index == 0);
            writer.node(&made.value, "", None, Prefix::Nothing);
        }
    }
    if !is_json && writer.dice.once_in(3) {
        writer.put(COMMENT);
    }
    let Writer { dice, mut written, .. } = writer;
    if dice.once_in(4) {
        written.forms.insert("crlf");
        written.before = written.before.replace('\n', "\r\n");
        written.after = written.after.replace('\n', "\r\n");
    }
    written
}

impl Writer<'_> {
    fn form(&mut self, form: &'static str) {
        self.written.forms.insert(form);
    }

    fn put(&mut self, text: &str) {
        self.written.before.push_str(text);
        self.written.after.push_str(text);
    }

    fn indent(&mut self, columns: usize) {
        self.put(&" ".repeat(columns));
    }

    fn separate(&mut self, is_first: bool) {
        let separators: &[&str] = if is_first {
            &["", "", "---\n", "# first\n---\n", "--- # castai/hibernate:v0.14\n", "%YAML 1.2\n---\n", "\n\n"]
        } else {
            &[
                "---\n",
                "---   \n",
                "--- # b\n",
                "...\n---\n",
                "...\n%YAML 1.2\n# c\n---\n",
                "---\n# nothing\n---\n",
            ]
        };
        let separator = self.dice.pick(separators);
        if separator.contains('%') {
            self.form("directive");
        }
        self.put(separator);
    }

    /// A node of a block whose parent is in column `parent`.
    fn node(&mut self, value: &Value, pointer: &str, parent: Option<usize>, behind: Prefix) {
        let least = parent.map_or(0, |column| column + 1);
        let is_flow = parent.map_or(12, |_| 6);
        match value {
            Value::Object(members) if !members.is_empty() && !self.dice.once_in(is_flow) => {
                self.form("block");
                self.block_mapping(members, pointer, least, behind);
            }
            Value::Array(elements) if !elements.is_empty() && !self.dice.once_in(is_flow) => {
                let column = match (parent, behind) {
                    (None, _) => 0,
                    (Some(column), Prefix::Key) if self.dice.once_in(2) => column,
                    _ => least + self.dice.below(3),
                };
                if behind != Prefix::Nothing {
                    self.put("\n");
                }
                for (index, element) in elements.iter().enumerate() {
                    self.comment_line(column);
                    self.indent(column);
                    self.put("-");
                    self.node(element, &format!("{pointer}/{index}"), Some(column), Prefix::Dash);
                }
            }
            Value::String(text) => {
                self.put(" ");
                self.text(text, pointer, Some(least));
            }
            _ => {
                if behind != Prefix::Nothing {
                    self.put(" ");
                }
                self.flow(value, pointer, least);
                self.end_of_line();
            }
        }
    }

    fn block_mapping(&mut self, members: &Map<String, Value>, pointer: &str, least: usize, behind: Prefix) {
        let is_container = members.contains_key("imagePullPolicy");
        let mut rest = members.clone();
        rest.remove("name");
        let merged = self.containers.iter().find(|(_, known)| is_container && *known == rest).cloned();
        let mut column = least + if least == 0 { 0 } else { self.dice.below(4) };
        let mut is_inline = false;
        if is_container && merged.is_none() && self.dice.once_in(2) {
            let anchor = format!("c{}", self.containers.len());
            self.put(&format!(" &{anchor}\n"));
            self.containers.push((anchor, rest));
        } else if behind == Prefix::Dash && self.dice.below(4) > 0 {
            // The dash is in the column before `least`.
            self.indent(column + 1 - least);
            column += 1;
            is_inline = true;
        } else if behind != Prefix::Nothing {
            self.put("\n");
        }
        let mut keys: Vec<&String> = members.keys().collect();
        for index in (1..keys.len()).rev() {
            keys.swap(index, self.dice.below(index + 1));
        }
        if let Some((anchor, _)) = merged {
            self.form("merge");
            if !is_inline {
                self.indent(column);
            }
            self.put(&format!("<<: *{anchor}\n"));
            is_inline = false;
            keys.retain(|key| *key == "name");
        }
        for key in keys {
            if !std::mem::take(&mut is_inline) {
                self.comment_line(column);
                self.indent(column);
            }
            self.key(key);
            self.put(":");
            self.node(&members[key], &format!("{pointer}/{}", escaped(key)), Some(column), Prefix::Key);
        }
    }

    fn comment_line(&mut self, column: usize) {
        if self.dice.once_in(8) {
            self.indent(column);
            let line = self.dice.pick(&["# image: castai/hibernate:v0.14\n", "\n"]);
            self.put(line);
        }
    }

    fn end_of_line(&mut self) {
        let end = self.dice.pick(&["\n", "\n", "\n", "  \n", " # castai/hibernate:v0.14\n"]);
        if end.contains('#') {
            self.form("comment");
        }
        self.put(end);
    }

    fn key(&mut self, key: &str) -> bool {
        let style = self.dice.below(8);
        match style {
            0 => self.put(&format!("'{key}'")),
            1 => self.put(&format!("\"{key}\"")),
            _ => self.put(key),
        }
        style == 1
    }

    /// A text in a random style; in a block, with the rest of its line.
    fn text(&mut self, text: &str, pointer: &str, block: Option<usize>) {
        let is_image = self.images.contains(pointer);
        if is_image {
            let known =
                self.anchors.iter().find(|(_, known)| known == text).map(|(anchor, _)| anchor.clone());
            if let Some(anchor) = known.filter(|_| self.dice.once_in(3)) {
                self.form("alias");
                self.put(&format!("*{anchor} "));
                if block.is_some() {
                    self.end_of_line();
                }
                return;
            }
            if self.dice.once_in(4) {
                self.form("anchor");
                let anchor = format!("i{}", self.anchors.len());
                self.put(&format!("&{anchor} "));
                self.anchors.push((anchor, text.to_owned()));
            }
        }
        if self.dice.once_in(12) {
            self.put("!!str ");
        }
        if let Some(least) = block.filter(|_| is_block_text(text) && self.dice.once_in(3)) {
            self.block_text(text, is_image, least);
            return;
        }
        match self.dice.below(3) {
            0 if is_plain(text) => {
                self.form("plain");
                self.image_or(text, is_image);
            }
            1 if !text.contains('\n') => {
                self.form("single");
                self.put("'");
                self.image_or(&text.replace('\'', "''"), is_image);
                self.put("'");
            }
            _ => {
                self.form("double");
                self.double(text, is_image);
            }
        }
        if block.is_some() {
            self.end_of_line();
        }
    }

    fn image_or(&mut self, text: &str, is_image: bool) {
        self.written.before.push_str(text);
        self.written.after.push_str(&if is_image { private(text) } else { text.to_owned() });
    }

    fn double(&mut self, text: &str, is_image: bool) {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        if is_image && self.dice.once_in(3) {
            self.form("escape");
            let escapes = [quoted(text).replace('/', "\\/"), quoted(text).replacen('i', "\\u0069", 1)];
            self.written.before.push_str(&escapes[self.dice.below(2)]);
            // A text without an `i` has no escape and is replaced in the same way.
            self.written.after.push_str(&quoted(&private(text)));
        } else {
            self.written.before.push_str(&quoted(text));
            let after = if is_image { private(text) } else { text.to_owned() };
            self.written.after.push_str(&quoted(&after));
        }
    }

    fn block_text(&mut self, text: &str, is_image: bool, least: usize) {
        let is_folded = !text.contains('\n') && self.dice.once_in(2);
        self.form(if is_folded { "folded" } else { "literal" });
        let comment = self.dice.pick(&["", " # castai/hibernate:v0.14"]);
        let chomping = if text.ends_with('\n') { "" } else { "-" };
        self.put(&format!("{}{chomping}{comment}\n", if is_folded { ">" } else { "|" }));
        let column = least + self.dice.below(4);
        for line in text.lines() {
            self.indent(column);
            self.image_or(line, is_image);
            self.put("\n");
        }
        if self.dice.once_in(4) {
            self.put("\n");
        }
    }

    fn flow(&mut self, value: &Value, pointer: &str, least: usize) {
        match value {
            Value::Object(members) => {
                self.form("flow");
                self.put("{");
                for (index, (key, value)) in members.iter().enumerate() {
                    self.flow_gap(index > 0, least);
                    let is_quoted = self.key(key);
                    let colon = if is_quoted && self.dice.once_in(2) { ":" } else { ": " };
                    self.put(colon);
                    self.flow(value, &format!("{pointer}/{}", escaped(key)), least);
                }
                self.put("}");
            }
            Value::Array(elements) => {
                self.form("flow");
                self.put("[");
                for (index, value) in elements.iter().enumerate() {
                    self.flow_gap(index > 0, least);
                    self.flow(value, &format!("{pointer}/{index}"), least);
                }
                self.put("]");
            }
            Value::String(text) => self.text(text, pointer, None),
            value => self.put(&value.to_string()),
        }
    }

    fn flow_gap(&mut self, is_behind_other: bool, least: usize) {
        if is_behind_other {
            self.put(", ");
        }
        if self.dice.once_in(8) {
            let comment = self.dice.pick(&["", " # ]}"]);
            self.put(&format!("{comment}\n{}", " ".repeat(least + 1)));
        }
    }

    fn json(&mut self, value: &Value, pointer: &str) {
        let (open, close) = match value {
            Value::Object(_) => ("{", "}"),
            Value::Array(_) => ("[", "]"),
            Value::String(text) => return self.double_in_json(text, pointer),
            value => return self.put(&value.to_string()),
        };
        self.put(open);
        let members: Vec<(Option<&String>, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(key, value)| (Some(key), value)).collect(),
            value => value.as_array().into_iter().flatten().map(|value| (None, value)).collect(),
        };
        for (index, (key, value)) in members.into_iter().enumerate() {
            self.put(if index > 0 { "," } else { "" });
            let gap = self.dice.pick(&["", " ", "\n\t", "\n    "]);
            self.put(gap);
            let token = key.map_or_else(|| index.to_string(), |key| escaped(key));
            if let Some(key) = key {
                self.put(&serde_json::to_string(key).unwrap());
                let colon = self.dice.pick(&[":", ": ", " : "]);
                self.put(colon);
            }
            self.json(value, &format!("{pointer}/{token}"));
        }
        self.put(close);
    }

    fn double_in_json(&mut self, text: &str, pointer: &str) {
        let is_image = self.images.contains(pointer);
        self.double(text, is_image);
    }
}

/// A key as a token of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Whether `text` has the same meaning without quotes, also in flow collections.
fn is_plain(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:@-+=".contains(&byte);
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_word = text.contains('/') || (text.len() > 2 && text.ends_with("==")) || text == "plain";
    starts && is_word && text.bytes().all(is_safe)
}

/// Whether `text` can be a block scalar: it does not start with a space, and ends with at most one line break.
fn is_block_text(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(' ') && !text.ends_with(' ') && !text.ends_with("\n\n")
}
