//! Text from clusters, registries, DNS and AWS is untrusted: it must not control the terminal, nor become a part of a
//! command.

/// `text` on one line, without control characters, truncated to `limit` characters.
pub fn one_line(text: &str, limit: usize) -> String {
    let clean: String = text.chars().map(|c| if is_harmful(c) { ' ' } else { c }).collect();
    let clean = clean.trim();
    match clean.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean.to_owned(),
    }
}

/// `text` without credentials before a host, as in `user:password@host`. The digest of an image and an `@` in the path
/// of a URL stay. Without a scheme, the password may contain slashes.
pub fn without_login(text: &str) -> String {
    let scheme = text.find("://");
    let start = scheme.map_or(0, |index| index + 3);
    let is_digest = |at: usize| {
        let algorithm = text[at + 1..].split(':').next().unwrap_or_default();
        text[at + 1..].len() > algorithm.len() && ["sha256", "sha384", "sha512"].contains(&algorithm)
    };
    let authority = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
    let end = if scheme.is_some() { authority } else { text.len() };
    let mut logins = text[start..end].rmatch_indices('@').map(|(length, _)| start + length);
    match logins.find(|at| !is_digest(*at)) {
        Some(at) => format!("{}…{}", &text[..start], &text[at..]),
        None => text.to_owned(),
    }
}

/// Whether a name has no special characters for shells and file systems.
pub fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_plain)
}

/// A name for a command line that users may copy: text from a cluster must not become a command.
pub fn word<'n>(name: &'n str, otherwise: &'n str) -> &'n str {
    if is_plain(name) { name } else { otherwise }
}

/// Control characters, those without width, and those that change the direction of text (Unicode TR 9).
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_removed() {
        let cases = [
            ("user:s3cret@host", "…@host"),
            ("https://user:s3cret@host:1/x?y=z@", "https://…@host:1/x?y=z@"),
            ("token@host/x", "…@host/x"),
            ("us:s3@cret@host/x", "…@host/x"),
            ("host/x:tag@sha256:12", "host/x:tag@sha256:12"),
            ("x:tag@sha256:12", "x:tag@sha256:12"),
            ("https://host/a@b", "https://host/a@b"),
            ("user:s3cret@shared.example/x:1", "…@shared.example/x:1"),
            ("https://user:s3cret@shared.example/x", "https://…@shared.example/x"),
            ("user:s3/cret@host/x", "…@host/x"),
            ("user:s3cret@host/x@sha256:12", "…@host/x@sha256:12"),
            ("user:s3cret@sha256", "…@sha256"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(without_login(text), expected, "{text}");
        }
    }

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(one_line("a\u{1b}[31mb\nc\td\u{202e}e", 100), "a [31mb c d e");
        assert_eq!(one_line("zero\u{200b}width\u{feff}", 100), "zero width");
        assert_eq!(one_line("  trimmed \n", 100), "trimmed");
        assert_eq!(one_line("ends in nul\0", 100), "ends in nul");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("abc", 3), "abc");
    }
}
