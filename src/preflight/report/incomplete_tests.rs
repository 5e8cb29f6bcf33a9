//! Reports in which findings are ignored, and reports of runs that stopped.

use super::*;
use crate::preflight::judgement::Judgement;
use crate::preflight::subject::{Subject, SubjectKind};
use crate::schema_tests::assert_valid;

fn finding(code: &str, subject: &str, judgement: Judgement) -> Finding {
    let check = checks::find(code).unwrap();
    let subject = Subject::new(SubjectKind::Host, subject);
    Finding::new(check, check.severity, subject, VantagePoint::Here, judgement)
}

#[test]
fn an_error_is_in_the_document() {
    let stopped = Report::stopped(CommandError::with_hint("error: no kubeconfig", "create one"));
    assert!(stopped.needs_attention());
    let json = serde_json::to_value(stopped.document()).unwrap();
    assert_valid(&json);
    assert_eq!(json["error"], serde_json::json!({"message": "no kubeconfig", "hint": "create one"}));
    assert_eq!((&json["kind"], &json["findings"]), (&"PreflightReport".into(), &serde_json::json!([])));
}

#[test]
fn ignored_findings_are_in_the_document_and_do_not_count() {
    let mut ignored = finding("CPL211", "a", Judgement::fail("public"));
    ignored.ignored = true;
    let ignores: Vec<Ignore> =
        ["CPL211=a", "CPL211=b", "cpl210"].iter().map(|flag| flag.parse().unwrap()).collect();
    let findings = vec![ignored, finding("CPL210", "a", Judgement::pass(""))];
    let report = Report::new(None, None, findings).with_ignores(&ignores);
    assert!(!report.needs_attention());
    let json = serde_json::to_value(report.document()).unwrap();
    assert_valid(&json);
    assert_eq!((&json["counts"]["fail"], &json["counts"]["ignored"]), (&0.into(), &1.into()));
    assert_eq!(json["unmatchedIgnores"], serde_json::json!(["CPL211=b", "CPL210"]));
    assert_eq!(
        (&json["findings"][1]["result"], &json["findings"][1]["ignored"]),
        (&"Fail".into(), &true.into())
    );
    assert_eq!(json["findings"][0].get("ignored"), None);
}
