//! Forms that libyaml's scanner reads and YAML 1.2 does not: `"it\'s"`, a comment directly behind a quote, a bracket or
//! the header of a block scalar, and in flow collections the scalars `-` and `b:`.

use std::ops::Range;

/// A part of the text, and what takes its place.
pub(super) type Edit = (Range<usize>, String);

/// The edits that give the same document in YAML 1.2. Only texts that the parser rejects need them.
pub(super) fn edits(text: &str) -> Vec<Edit> {
    let mut scanner = Scanner { text: text.as_bytes(), ..Scanner::default() };
    while scanner.position < text.len() {
        scanner.token();
    }
    scanner.edits
}

/// Whether a text may have such forms. Most have none.
pub(super) fn may_have_forms(text: &str) -> bool {
    let pairs = text.as_bytes().windows(2);
    pairs.into_iter().any(|pair| match pair {
        [b'\\', b'\''] | [b':' | b'-', b',' | b']' | b'}'] => true,
        [before, b'#'] => !before.is_ascii_whitespace(),
        _ => false,
    })
}

/// Walks over the tokens of a text as libyaml does (go.yaml.in/yaml/v2 `scannerc.go`).
#[derive(Default)]
struct Scanner<'t> {
    text: &'t [u8],
    position: usize,
    line_start: usize,
    /// The columns of the open block collections.
    indents: Vec<usize>,
    /// The number of open flow collections.
    flow: usize,
    /// Where a node began in this line that becomes a key if a colon follows.
    key: Option<usize>,
    /// Whether that node is more than an anchor or a tag.
    is_complete: bool,
    edits: Vec<Edit>,
}

impl Scanner<'_> {
    fn byte(&self, position: usize) -> Option<u8> {
        self.text.get(position).copied()
    }

    /// Whether a blank, a line break or the end is there.
    fn is_blank(&self, position: usize) -> bool {
        self.byte(position).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    }

    fn is_flow_indicator(&self, position: usize) -> bool {
        self.flow > 0 && matches!(self.byte(position), Some(b',' | b'[' | b']' | b'{' | b'}'))
    }

    /// Whether the part of a plain scalar that is in this line ends there.
    fn ends_plain(&self, position: usize) -> bool {
        self.is_blank(position)
            || self.is_flow_indicator(position)
            || (self.byte(position) == Some(b':') && self.is_blank(position + 1))
    }

    fn column(&self) -> usize {
        self.position - self.line_start
    }

    /// The smallest column at which a node continues.
    fn inner_column(&self) -> usize {
        self.indents.last().map_or(0, |indent| indent + 1)
    }

    fn end_of_line(&self) -> usize {
        let rest = &self.text[self.position..];
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |length| self.position + length)
    }

    fn line_break(&mut self) {
        self.position += 1;
        self.line_start = self.position;
        self.key = None;
    }

    fn token(&mut self) {
        let Some(byte) = self.byte(self.position) else { return };
        let is_before_blank = self.is_blank(self.position + 1);
        match byte {
            b'\n' => self.line_break(),
            b' ' | b'\t' | b'\r' => self.position += 1,
            b'#' => self.comment(),
            _ if self.is_document_marker() => {
                (self.indents, self.flow, self.key) = (Vec::new(), 0, None);
                self.position += 3;
            }
            b'%' if self.column() == 0 => self.position = self.end_of_line(),
            b'[' | b'{' => {
                self.node();
                self.flow += 1;
                self.position += 1;
            }
            b']' | b'}' => {
                self.flow = self.flow.saturating_sub(1);
                self.is_complete = true;
                self.position += 1;
            }
            b',' if self.flow > 0 => self.position += 1,
            b':' if self.flow > 0 || is_before_blank => {
                if let Some(key) = self.key.take().filter(|_| self.flow == 0) {
                    self.open_block(key - self.line_start);
                }
                self.position += 1;
            }
            b'-' | b'?' if is_before_blank && self.flow == 0 => {
                self.close_blocks();
                self.open_block(self.column());
                self.key = None;
                self.position += 1;
            }
            b'?' if is_before_blank => self.position += 1,
            b'"' | b'\'' => self.quoted(byte),
            b'|' | b'>' if self.flow == 0 => self.block_scalar(),
            b'&' | b'*' | b'!' => self.property(byte),
            _ => self.plain(),
        }
    }

    fn is_document_marker(&self) -> bool {
        self.column() == 0
            && matches!(self.text.get(self.position..self.position + 3), Some(b"---" | b"..."))
            && self.is_blank(self.position + 3)
    }

    /// A node begins here, behind its anchor and its tag if it has them.
    fn node(&mut self) {
        if self.flow > 0 {
            return;
        }
        self.close_blocks();
        if self.key.is_none() || self.is_complete {
            self.key = Some(self.position);
        }
        self.is_complete = false;
    }

    fn close_blocks(&mut self) {
        let column = self.column();
        while self.indents.last().is_some_and(|indent| *indent > column) {
            self.indents.pop();
        }
    }

    fn open_block(&mut self, column: usize) {
        if self.indents.last().is_none_or(|indent| *indent < column) {
            self.indents.push(column);
        }
    }

    fn comment(&mut self) {
        let is_separate = self.position == 0 || self.is_blank(self.position - 1);
        if !is_separate {
            self.edits.push((self.position..self.position, " ".to_owned()));
        }
        self.position = self.end_of_line();
    }

    fn quoted(&mut self, quote: u8) {
        self.node();
        self.position += 1;
        while let Some(byte) = self.byte(self.position) {
            let next = self.byte(self.position + 1);
            match byte {
                b'\\' if quote == b'"' => {
                    if next == Some(b'\'') {
                        self.edits.push((self.position..self.position + 1, String::new()));
                    }
                    // The line break of an escaped one is counted below.
                    self.position += if next == Some(b'\n') { 1 } else { 2 };
                }
                b'\'' if quote == b'\'' && next == Some(b'\'') => self.position += 2,
                b'\n' => self.line_break(),
                _ => {
                    self.position += 1;
                    if byte == quote {
                        break;
                    }
                }
            }
        }
        self.is_complete = true;
    }

    fn property(&mut self, indicator: u8) {
        self.node();
        let is_verbatim = self.text[self.position..].starts_with(b"!<");
        while !self.is_blank(self.position) && (is_verbatim || !self.is_flow_indicator(self.position)) {
            self.position += 1;
        }
        self.is_complete = indicator == b'*';
    }

    fn plain(&mut self) {
        self.node();
        let start = self.position;
        let mut end = start;
        loop {
            while !self.ends_plain(self.position) {
                self.position += 1;
            }
            end = end.max(self.position);
            if self.position < self.text.len() && !self.is_blank(self.position) {
                break;
            }
            let (mut next, mut line_start) = (self.position, self.line_start);
            while next < self.text.len() && self.is_blank(next) {
                next += 1;
                if self.byte(next - 1) == Some(b'\n') {
                    line_start = next;
                }
            }
            let is_outside = self.flow == 0 && line_start > start && next - line_start < self.inner_column();
            let blank_column = self.line_start;
            (self.position, self.line_start) = (next, line_start);
            if next == self.text.len()
                || self.byte(next) == Some(b'#')
                || is_outside
                || self.is_document_marker()
            {
                (self.position, self.line_start) = (end, blank_column);
                break;
            }
            if self.is_flow_indicator(next) {
                break;
            }
        }
        self.is_complete = true;
        let scalar = &self.text[start..end];
        let needs_quotes = scalar == b"-" || (scalar.ends_with(b":") && self.is_flow_indicator(end));
        if self.flow > 0 && needs_quotes {
            let quoted = String::from_utf8_lossy(scalar).replace('\'', "''");
            self.edits.push((start..end, format!("'{quoted}'")));
        }
    }

    fn block_scalar(&mut self) {
        let begin = self.position;
        self.node();
        self.position += 1;
        while self.byte(self.position).is_some_and(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9')) {
            self.position += 1;
        }
        let explicit = self.text[begin..self.position].iter().find(|byte| byte.is_ascii_digit());
        let explicit =
            explicit.map(|digit| self.inner_column().saturating_sub(1) + usize::from(digit - b'0'));
        while matches!(self.byte(self.position), Some(b' ' | b'\t')) {
            self.position += 1;
        }
        if self.byte(self.position) == Some(b'#') {
            self.comment();
        }
        self.position = self.end_of_line();
        let mut indent = explicit;
        while self.position < self.text.len() {
            self.line_break();
            let spaces = self.text[self.position..].iter().take_while(|byte| **byte == b' ').count();
            let content = self.position + spaces;
            let is_empty = content == self.text.len() || matches!(self.byte(content), Some(b'\n' | b'\r'));
            if !is_empty {
                let indent = *indent.get_or_insert(spaces.max(self.inner_column()).max(1));
                if spaces < indent {
                    break;
                }
            }
            self.position = self.end_of_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str) -> String {
        let mut edits = edits(text);
        edits.sort_by_key(|(range, _)| range.start);
        edits.into_iter().rev().fold(text.to_owned(), |mut text, (range, with)| {
            text.replace_range(range, &with);
            text
        })
    }

    #[test]
    fn forms_of_libyaml_are_replaced() {
        for (text, expected) in [
            ("a: \"it\\'s\"", "a: \"it's\""),
            ("a: \"\\\\'\\'\\\"\\'\"", "a: \"\\\\''\\\"'\""),
            ("a: [\"b\"]# c", "a: [\"b\"] # c"),
            ("a: \"b\"# c\nd: 'e'# f", "a: \"b\" # c\nd: 'e' # f"),
            ("a: {b: c}# d \"\\'\"", "a: {b: c} # d \"\\'\""),
            ("a: [b,# c\n d]", "a: [b, # c\n d]"),
            ("a: [-, -, x-, -x]", "a: ['-', '-', x-, -x]"),
            ("a: {-: b, c: -}", "a: {'-': b, c: '-'}"),
            ("a: {b: c:}\nd: [e:,f: ,it's:]", "a: {b: 'c:'}\nd: ['e:',f: ,'it''s:']"),
            ("a: {b: c d:}", "a: {b: 'c d:'}"),
            ("a: |# c\n  \"\\'\"# [-]\nb: [-]", "a: | # c\n  \"\\'\"# [-]\nb: ['-']"),
            ("a:\n- b: >2-# c\n    [-]\n  d: [-]", "a:\n- b: >2- # c\n    [-]\n  d: ['-']"),
            ("a:\n  |\n   [-]\n\n   [-]\nb: [-]", "a:\n  |\n   [-]\n\n   [-]\nb: ['-']"),
            ("a: |\nb: [-]", "a: |\nb: ['-']"),
            ("- |\n  [-]\n- [-]", "- |\n  [-]\n- ['-']"),
            ("--- |\n [-]\n---\n[-]", "--- |\n [-]\n---\n['-']"),
            ("? |\n  [-]\n: [-]", "? |\n  [-]\n: ['-']"),
            ("&a !b c: |\n  [-]\nd: [-]", "&a !b c: |\n  [-]\nd: ['-']"),
        ] {
            assert_eq!(applied(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_of_other_forms_are_unchanged() {
        for text in [
            "a: b# c\n",
            "a: it\\'s [-] {b: c:} \"d\"# e\n",
            "a: b\n  \"\\'\"# c\n  [-]\nd: e\n",
            "a: 'b\\'\nc: 'it''s \\'' # d\n",
            "a: \"b \\\\\"\nc: \"d \\\n  \\\"# e\"\n",
            "# \"\\'\" [-]\na: b # [-]\n",
            "- - a: |\n      [-]\n    b: c\n",
            "a: [b-, {c: d}, e:f, \"g\": h]\n",
            "a: !<x,y> b\nc: !t [d]\ne: *f\n",
            "%YAML 1.1\n---\na: -1\nb: - c\n",
            "a: b:c\nd: http://e\n",
            "a: \"unclosed \\",
            "a: 'unclosed",
            "]]]} |",
            "\u{feff}é: ü\n",
        ] {
            assert_eq!(applied(text), text, "{text}");
        }
    }

    #[test]
    fn every_text_is_scanned_in_one_pass() {
        for part in
            ["[", "\"", "'\n", "|\n", "- ", "a: ", "a:\n ", "#", "b\n", "\\'", "&", "\n\n", "? ", "[-", "b:,"]
        {
            edits(&part.repeat(100_000));
        }
    }
}
