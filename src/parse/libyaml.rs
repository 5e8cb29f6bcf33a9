//! Forms that kubectl's parser reads and ours rejects. Each is replaced by another form of the same meaning and length,
//! so that positions stay.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::Event;

use super::encoding::BYTE_ORDER_MARK;
use super::events::events;

/// How a timestamp's tag may be written. The value is a string in JSON.
const TIMESTAMP_TAGS: [&str; 3] = ["!<tag:yaml.org,2002:timestamp>", "!!timestamp", "!timestamp"];

/// `text` with these forms replaced: byte order marks at the start of a line, tabs before a line in a flow collection,
/// and timestamp tags.
pub fn replaced(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for replace in [without_marks, without_tabs, without_timestamps] {
        if let Some(other) = replace(&text) {
            text = Cow::Owned(other);
        }
    }
    text
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

fn without_timestamps(text: &str) -> Option<String> {
    if !text.contains("timestamp") {
        return None;
    }
    let mut replaced = text.to_owned();
    for (event, span) in events(text).map_while(Result::ok) {
        let Event::Scalar(_, _, _, Some(tag)) = event else { continue };
        let (Some(start), true) =
            (span.byte_range().map(|range| range.start), tag.suffix().ends_with("timestamp"))
        else {
            continue;
        };
        let before = &text[..start];
        let end = before.rfind("timestamp").map_or(0, |found| found + "timestamp".len());
        let end = end + usize::from(before[end..].starts_with('>'));
        if let Some(written) = TIMESTAMP_TAGS.iter().find(|written| before[..end].ends_with(**written)) {
            let width = written.len();
            replaced.replace_range(end - width..end, &format!("{:width$}", "!!str"));
        }
    }
    Some(replaced)
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
            (
                "a: !<tag:yaml.org,2002:timestamp> 2024-01-01\n",
                "a: !!str                          2024-01-01\n",
            ),
            ("a: '!!timestamp x'\nb: creationTimestamp\n", "a: '!!timestamp x'\nb: creationTimestamp\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(replaced(text), expected, "{text:?}");
            assert_eq!(text.len(), expected.len(), "{text:?}");
        }
    }
}
