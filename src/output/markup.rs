//! Text in XML and HTML.

use crate::printable::one_line;

/// `text` on one line of at most `limit` characters, as content or as a value in quotes. Characters that XML 1.0 does
/// not allow are replaced: control characters by spaces, the two that are none by the replacement character.
pub(super) fn escaped(text: &str, limit: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in one_line(text, limit).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        for (text, expected) in [
            ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            ("a\" onload=\"b", "a&quot; onload=&quot;b"),
            ("]]>", "]]&gt;"),
            ("&amp;", "&amp;amp;"),
            ("a\u{1b}[2J\0b\u{ffff}\nc", "a [2J b\u{fffd} c"),
            ("\u{202e}x", "x"),
        ] {
            assert_eq!(escaped(text, 100), expected, "{text:?}");
        }
        assert_eq!(escaped("abc", 2), "ab…");
    }
}
