//! The services in the file of `--service-file`: a map of our names to names of endpoint services.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::Spanned;

use crate::endpoints::settings::NamedService;
use crate::parse;
use crate::parse::encoding::BYTE_ORDER_MARK;
use crate::printable::one_line;

/// Limits that no real file reaches: Cast AI has six services.
pub const MAX_BYTES: usize = 64 << 10;
const MAX_SERVICES: usize = 100;

/// Maximum length of a name in an error, in characters.
const LIMIT: usize = 100;

/// The entries in their order, also those with equal names; at most one more than allowed.
struct Entries(Vec<(Spanned<String>, Spanned<String>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Entries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of names to service names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while entries.len() <= MAX_SERVICES
                    && let Some(entry) = map.next_entry()?
                {
                    entries.push(entry);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Parses YAML, of which JSON is a part.
///
/// # Errors
/// It is not such a map, or an entry is not valid: the text says which, and at which line.
pub fn parse(text: &str) -> Result<Vec<NamedService>, String> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    if text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    let Entries(entries) = parse::yaml::from_str(text, 1)?;
    if entries.len() > MAX_SERVICES {
        return Err(format!("it has more than {MAX_SERVICES} services"));
    }
    let mut services: Vec<NamedService> = Vec::new();
    for (name, service_name) in entries {
        let line = name.referenced.line();
        let (name, service_name) = (name.value, service_name.value);
        let named = NamedService::new(&name, &service_name, "--service-file").ok_or_else(|| {
            format!(
                "line {line}: expected NAME: SERVICE, such as rest-api: \
                 com.amazonaws.vpce.eu-west-1.vpce-svc-0123, found {}: {}",
                one_line(&name, LIMIT),
                one_line(&service_name, LIMIT)
            )
        })?;
        if services.iter().any(|known| known.name == name) {
            return Err(format!("line {line}: {name} is named twice"));
        }
        services.push(named);
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_read() {
        for text in [
            "# ours\nrest-api: com.a\nnew: com.b # more\n",
            "{\"rest-api\": \"com.a\", \"new\": \"com.b\"}",
            "\u{feff}rest-api: com.a\r\n'new': \"com.b\"",
        ] {
            let services = parse(text).unwrap();
            let services: Vec<_> =
                services.iter().map(|named| (&*named.name, &*named.service_name, named.flag)).collect();
            assert_eq!(
                services,
                [("rest-api", "com.a", "--service-file"), ("new", "com.b", "--service-file")]
            );
        }
        assert_eq!(parse("{}"), Ok(Vec::new()));
    }

    #[test]
    fn an_error_names_the_line() {
        let many: String =
            (0..=MAX_SERVICES).map(|number| format!("s{number}: com.a\n")).collect::<Vec<_>>().concat();
        for (text, parts) in [
            ("", &["the file is empty"][..]),
            (" \n", &["the file is empty"]),
            ("rest-api: com.a\nnew: nothing\n", &["line 2", "found new: nothing"]),
            ("rest-api: com.a\n\n\"a b\": com.a\n", &["line 3", "found a b: com.a"]),
            ("rest-api: com.a\nfiles: com.b\nrest-api: com.c\n", &["line 3", "rest-api is named twice"]),
            ("rest-api: com.a\nnew: [com.b]\n", &["line 2"]),
            ("rest-api: com.a\nnew:\n", &["line 2"]),
            ("- rest-api\n", &["line 1"]),
            ("rest-api: \"com.a\n", &["line"]),
            (&many, &["more than 100 services"]),
            ("a\u{7}: com.a\n", &["line 1"]),
        ] {
            let error = parse(text).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{text:?}: {error}");
            }
            assert!(!error.contains(['\u{7}', '\n']), "{error:?}");
        }
    }
}
