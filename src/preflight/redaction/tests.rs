use serde_json::json;

use super::*;
use crate::preflight::checks;
use crate::preflight::judgement::Judgement;
use crate::preflight::subject::{SubjectKind, VantagePoint};

#[test]
fn accounts_have_consistent_placeholders() {
    let cases = [
        ("123456789012", "account-1"),
        ("arn:aws:iam::210987654321:role/x", "arn:aws:iam::account-2:role/x"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", "account-1.dkr.ecr.us-east-1.amazonaws.com"),
        ("ECR of 123456789012", "ECR of account-1"),
        (
            "arn:aws:eks:us-east-1:123456789012:cluster/a-210987654321",
            "arn:aws:eks:us-east-1:account-1:cluster/a-account-2",
        ),
        ("x123456789012y_210987654321", "xaccount-1y_account-2"),
        ("1234-5678-9012 and 1-1234-5678-9012", "account-1 and 1-account-1"),
        ("bucket-123456789012-us-east-1", "bucket-account-1-us-east-1"),
        ("é123456789012é", "éaccount-1é"),
        // No account: other numbers of digits, addresses, times, and a UUID.
        ("1234567890123 12345678901", "1234567890123 12345678901"),
        ("10.0.1.101:443 2026-11-27T18:41:26Z", "10.0.1.101:443 2026-11-27T18:41:26Z"),
        ("1111-2222 1234-5678-901", "1111-2222 1234-5678-901"),
        ("vpce-0123456789abcdef0", "vpce-0123456789abcdef0"),
        ("", ""),
    ];
    let mut redaction = Redaction::default();
    for (text, expected) in cases {
        assert_eq!(redaction.text(text), expected, "{text}");
        assert_eq!(redaction.text(expected), expected, "a second time");
    }
}

#[test]
fn secrets_are_removed() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    let cases = [
        ("https://user:pass@host.example/x".to_owned(), "https://…@host.example/x"),
        ("API_URL=https://u:p@h, next".to_owned(), "API_URL=https://…@h, next"),
        ("--token=abc --region=us-east-1".to_owned(), "--token=… --region=us-east-1"),
        ("API_KEY='a b' x".to_owned(), "API_KEY=… x"),
        (
            "https://h/x?X-Amz-Security-Token=a%2B&X-Amz-Signature=b&y=c".to_owned(),
            "https://h/x?X-Amz-Security-Token=…&X-Amz-Signature=…&y=c",
        ),
        (r#"{"password": "p", "user": "u"}"#.to_owned(), r#"{"password": …, "user": "u"}"#),
        (format!("Authorization: Bearer {jwt}"), "Authorization: Bearer …"),
        ("basic YWRtaW46cGFzc3dvcmQ= sent".to_owned(), "basic … sent"),
        (format!("the token {jwt} expired"), "the token … expired"),
        ("key AKIAIOSFODNN7EXAMPLE denied".to_owned(), "key … denied"),
        ("a -----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY----- b".to_owned(), "a … b"),
        ("a -----BEGIN PRIVATE KEY-----\nabc".to_owned(), "a …"),
        ("aws_secret_access_key=é&x".to_owned(), "aws_secret_access_key=…&x"),
        // Prose, names and certificates stay.
        (
            "no permission for ecr:GetAuthorizationToken: denied".to_owned(),
            "no permission for ecr:GetAuthorizationToken: denied",
        ),
        ("secret/keys in castai-agent: Forbidden".to_owned(), "secret/keys in castai-agent: Forbidden"),
        ("Basic checks and bearer of news".to_owned(), "Basic checks and bearer of news"),
        ("-----BEGIN CERTIFICATE-----\nabc".to_owned(), "-----BEGIN CERTIFICATE-----\nabc"),
        ("image@sha256:0123 token=".to_owned(), "image@sha256:0123 token="),
    ];
    let mut redaction = Redaction::default();
    for (text, expected) in cases {
        assert_eq!(redaction.text(&text), expected, "{text}");
        assert_eq!(redaction.text(expected), expected, "a second time");
    }
}

#[test]
fn values_are_redacted_with_their_keys() {
    let value = json!({
        "arn:aws:iam::123456789012:role/x": [123_456_789_012_u64, 443, null, true],
        "sessionToken": "abc",
        "tokens": {"number": 1},
    });
    assert_eq!(
        Redaction::default().value(&value),
        json!({
            "arn:aws:iam::account-1:role/x": ["account-1", 443, null, true],
            "sessionToken": "…",
            "tokens": {"number": 1},
        })
    );
}

#[test]
fn no_part_of_a_report_keeps_an_account() {
    let account = "123456789012";
    let named = |what: &str| format!("{what} {account}");
    let check = checks::find("CPL211").unwrap();
    let mut subject = Subject::new(SubjectKind::Host, named("subject"));
    subject.needed_by = [named("needed by")].into();
    subject.usually_needed_by = [named("usually")].into();
    let judgement = Judgement::fail(named("observed"))
        .expected(named("expected"))
        .evidence(json!({ named("key"): named("value") }))
        .fix(Fix::command(named("fix"), named("command")));
    let here = VantagePoint::Here;
    let failure = Finding::new(check, check.severity, subject.clone(), here.clone(), judgement);
    let unknown = Finding::new(check, check.severity, subject, here, Judgement::unknown(named("why")));
    let mut report = Report::new(Some(named("cluster")), Some(named("region")), vec![failure, unknown]);
    report.unmatched_ignores = vec![named("ignore")];
    let error = CommandError::with_hint(named("error"), named("hint"));
    report.error = Some(CommandError { commands: vec![named("command")], ..error });

    assert!(format!("{report:?}").contains(account));
    let redacted = format!("{:?}", Redaction::default().report(&report));
    assert!(!redacted.contains(account), "{redacted}");
    for what in [
        "subject",
        "needed by",
        "usually",
        "observed",
        "expected",
        "key",
        "value",
        "fix",
        "command",
        "why",
        "cluster",
        "region",
        "ignore",
        "error",
        "hint",
    ] {
        assert!(redacted.contains(&format!("{what} account-1")), "{what} in {redacted}");
    }
}
