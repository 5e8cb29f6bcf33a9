//! Tests that the checks are sound and match `docs/checks.md`.

use std::fmt::Write as _;

use jiff::Timestamp;
use probe::tls::{Certificate, Session};

use super::*;
use crate::preflight::catalogue::CheckDescription;

#[test]
fn codes_are_unique_ordered_and_require_earlier_codes_only() {
    for (index, entry) in CHECKS.iter().enumerate() {
        assert_eq!(position(entry.code), index, "{}", entry.code);
        assert!(entry.code.starts_with("CPL") && entry.code.len() == 6);
        for required in entry.requires.iter().map(|required| required.code()) {
            assert!(position(required) < index, "{} requires {required}", entry.code);
        }
    }
    assert!(CHECKS.windows(2).all(|pair| pair[0].code < pair[1].code));
}

#[test]
fn texts_have_the_required_form() {
    for entry in CHECKS {
        assert!(
            entry.title.starts_with(char::is_lowercase)
                || entry.title.starts_with("Cast AI")
                || entry.title.starts_with("ECR")
                || entry.title.starts_with("AWS")
        );
        assert!(!entry.title.ends_with('.'), "{}", entry.code);
        assert!(entry.explanation.ends_with('.'), "{}", entry.code);
        assert!(!entry.remediation.ends_with('.'), "{}", entry.code);
    }
}

/// `docs/checks.md`, generated from the checks.
fn page() -> String {
    let mut page = "# Checks

The checks of `kubectl castai-privatelink preflight`. A code never changes its meaning; `-o json` has it as `code`.

| result | means |
| --- | --- |
| `Pass` | the assertion in the title is true |
| `Fail`, `Warn` | it is false; the severity of the check decides between the two |
| `Unknown` | the check could not run: a missing permission, an API that does not respond, or a network check outside the VPC |
| `Skipped` | a required check did not pass |

This page is generated from `src/preflight/checks/`: `UPDATE_DOCS=1 cargo test --workspace --lib checks`.
"
    .to_owned();
    for entry in CHECKS {
        let CheckDescription { severity, checked_through, requires, required_by, explains, .. } =
            CheckDescription::new(entry);
        let severity = severity.in_words();
        let list = |texts: &[&str], link: bool| match texts {
            [] => "none".to_owned(),
            texts if link => {
                let links = texts.iter().map(|code| format!("[{code}](#{})", code.to_lowercase()));
                links.collect::<Vec<_>>().join(", ")
            }
            texts => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "
## {}

**{}**

| | |
| --- | --- |
| severity | {severity} |
| checked through | {checked_through} |
| requires | {} |
| required by | {} |
| explains | {} |
| permissions | {} |

{}

Fix: {}.
",
            entry.code,
            entry.title,
            list(&requires, true),
            list(&required_by, true),
            if explains.is_empty() { "none".to_owned() } else { explains.join(", ") },
            list(entry.permissions, false),
            entry.explanation,
            entry.remediation,
        );
    }
    page
}

#[test]
fn the_page_of_checks_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/checks.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page(),
        "docs/checks.md differs from the checks; update it with: UPDATE_DOCS=1 cargo test --workspace --lib checks"
    );
}

/// A certificate for one name; `not_after` in seconds since the epoch.
pub(super) fn certificate(issuer: &str, name: &str, not_after: i64) -> Certificate {
    Certificate {
        subject: format!("CN={name}"),
        issuer: issuer.to_owned(),
        names: vec![name.to_owned()],
        not_after: Timestamp::from_second(not_after).unwrap(),
    }
}

pub(super) fn session(certificate: Option<Certificate>) -> Session {
    Session {
        address: "127.0.0.1:443".parse().unwrap(),
        version: "TLS 1.3".to_owned(),
        alpn: Some("h2".to_owned()),
        certificate,
    }
}
