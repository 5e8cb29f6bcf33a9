//! Secrets in text: logins in URLs, assignments such as `token=…`, bearer tokens, access keys and private keys.

use crate::printable::without_login;

/// What replaces a secret.
pub(super) const SECRET: &str = "…";

/// Ends of the names of secrets, in lower case and without `-` and `_`.
const NAMES: [&str; 12] = [
    "accesskeyid",
    "apikey",
    "authorization",
    "credential",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretaccesskey",
    "secretkey",
    "signature",
    "token",
];

/// Starts of the identifiers of AWS' access keys, which have 20 characters.
const ACCESS_KEYS: [&str; 2] = ["AKIA", "ASIA"];

/// Schemes of the `Authorization` header.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// Least length of a secret behind a scheme: other words are prose.
const LEAST: usize = 12;

const KEY_BEGIN: &str = "-----BEGIN ";
const KEY_END: &str = "-----END ";

/// Whether a name is that of a secret: `password`, `X-Amz-Security-Token`, `AWS_SECRET_ACCESS_KEY`.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    NAMES.iter().any(|end| plain.ends_with(end))
}

/// A text without secrets.
pub(super) fn redacted(text: &str) -> String {
    let text = without_private_keys(text);
    let text = words(
        &text,
        |character| !character.is_whitespace() && !"\"'<>`,;".contains(character),
        |word| word.contains("://").then(|| without_login(word)),
    );
    let text = without_assigned(&text);
    let text = without_authorization(&text);
    let text = words(
        &text,
        |character| character.is_ascii_alphanumeric(),
        |word| {
            let is_key = word.len() == 20 && ACCESS_KEYS.iter().any(|start| word.starts_with(start));
            is_key.then(|| SECRET.to_owned())
        },
    );
    // JSON Web Tokens: each of their parts is base64 of JSON.
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    words(&text, is_part, |word| {
        (word.starts_with("eyJ") && word.len() > 2 * LEAST).then(|| SECRET.to_owned())
    })
}

/// The text with some words replaced: sequences of characters for which `is_part` is true.
fn words(text: &str, is_part: impl Fn(char) -> bool, replaced: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(&is_part) {
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        match replaced(&rest[..end]) {
            Some(other) => result.push_str(&other),
            None => result.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    result + rest
}

/// `name=value` and `"name": "value"` with the name of a secret.
fn without_assigned(text: &str) -> String {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at);
        let (sign, after) = after.split_at(1);
        result.push_str(before);
        result.push_str(sign);
        rest = after;
        let quoted = before.strip_suffix('"');
        let name = quoted.unwrap_or(before);
        let name = &name[name
            .rfind(|character| !is_name(character))
            .map_or(0, |end| end + name[end..].chars().next().map_or(1, char::len_utf8))..];
        // A colon in prose is no assignment: `cannot read the token: no such file`.
        if !is_secret(name) || (sign == ":" && quoted.is_none()) {
            continue;
        }
        let space = rest.len() - rest.trim_start_matches(' ').len();
        let space = if sign == ":" { space } else { 0 };
        result.push_str(&rest[..space]);
        rest = &rest[space..];
        let end = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
            _ => rest
                .find(|character: char| character.is_whitespace() || "&;,\"'<>`)|".contains(character))
                .unwrap_or(rest.len()),
        };
        if end > 0 {
            result.push_str(SECRET);
        }
        rest = &rest[end..];
    }
    result + rest
}

/// `Bearer …` and `Basic …`.
fn without_authorization(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let lower = rest.to_ascii_lowercase();
        let found = SCHEMES.iter().filter_map(|scheme| Some(lower.find(scheme)? + scheme.len())).min();
        let Some(start) = found else { return result + rest };
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let is_part = |character: char| character.is_ascii_alphanumeric() || "-._~+/=".contains(character);
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        result.push_str(if end >= LEAST { SECRET } else { &rest[..end] });
        rest = &rest[end..];
    }
}

/// Without private keys in PEM, also without their end.
fn without_private_keys(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(KEY_BEGIN) {
        let header = &rest[start..];
        let label = header[KEY_BEGIN.len()..].split("-----").next().unwrap_or_default();
        if !label.ends_with("PRIVATE KEY") {
            let end = start + KEY_BEGIN.len();
            result.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        result.push_str(&rest[..start]);
        result.push_str(SECRET);
        let end = header.find(KEY_END).map_or(header.len(), |end| {
            let label = &header[end + KEY_END.len()..];
            end + KEY_END.len() + label.find("-----").map_or(label.len(), |length| length + 5)
        });
        rest = &header[end..];
    }
    result + rest
}
