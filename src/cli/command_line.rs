//! Flags of this run for a command that is printed, so that it uses the same names.

use std::fmt::Display;

use super::{KnowledgeArguments, MirrorArguments};

/// The flags of both groups as words of a shell.
pub(super) fn naming_flags(mirror: &MirrorArguments, knowledge: &KnowledgeArguments) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(mirror.registry.iter().map(|registry| flag("--registry", registry)));
    words.extend(mirror.region.iter().map(|region| flag("--region", region)));
    words.extend(mirror.maps.iter().map(|map| flag("--map", map)));
    words.extend(knowledge.include_images.iter().map(|image| flag("--include-image", image)));
    words.extend(knowledge.image_prefixes.iter().map(|prefix| flag("--image-prefix", prefix)));
    words.extend(knowledge.file.path.iter().map(|path| flag("--knowledge", path.display())));
    words
}

/// A flag and its value, quoted if a shell would split or expand it.
pub(super) fn flag(name: &str, value: impl Display) -> String {
    format!("{name} {}", word(&value.to_string()))
}

/// A word of a shell, quoted if the shell would split or expand it.
pub fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,/:=@+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::flag;

    #[test]
    fn a_value_is_one_word_of_a_shell() {
        for (value, expected) in [
            ("e.example/cast", "-f e.example/cast"),
            ("a b", "-f 'a b'"),
            ("$(x)", "-f '$(x)'"),
            ("it's", r"-f 'it'\''s'"),
            ("", "-f ''"),
        ] {
            assert_eq!(flag("-f", value), expected);
        }
    }
}
