//! Text from the cluster, AWS and the user as words, comments and names of a shell script, of which it must not become
//! another part.

use crate::printable::{is_harmful, one_line};

/// Longer than any line.
const LIMIT: usize = 2000;

/// A word of bash whose value is `text`.
pub(super) fn quoted(text: &str) -> String {
    if !text.contains(is_harmful) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // Bytes with escapes, so that no control character reaches the terminal that shows the script.
    let escaped = text.bytes().map(|byte| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("$'{}'", escaped.collect::<String>())
}

/// `text` in one line, without control characters.
pub(super) fn line(text: &str) -> String {
    one_line(text, LIMIT)
}

/// A comment line.
pub(super) fn comment(text: &str) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    format!("# {:indent$}{}\n", "", line(text))
}

/// The name of the variable for the identifier of a security group.
pub(super) fn variable(name: &str) -> String {
    let word = name.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '_' });
    format!("id_of_{}", word.collect::<String>())
}
