//! ECR: credentials, permissions and the connection.

use std::net::Ipv4Addr;

use lab::address;
use lab::dns::Behaviour;
use serde_json::{Value, json};

use super::{ECR_API, dns, finding, preflight, reset_lab, text, with_result};
use crate::harness::{complete_lab, parse_json, plugin, plugin_without_aws};

#[test]
fn ecr_failures_are_reported_and_a_missing_permission_is_unknown() {
    let lab = complete_lab();
    let registry = format!("ECR of {}", address::ACCOUNT);
    let access = |body: Value| lab.control().put("/ecr/access", &body).unwrap();

    access(json!({ "credentials": "expired" }));
    let report = preflight(&lab, 1, &[]);
    assert_eq!(with_result(&report, &["Fail", "Warn"]), [format!("CPL302 {registry}")]);
    let token = finding(&report, "CPL302", &registry);
    assert_eq!(text(token, "observed"), "the AWS credentials have expired");
    assert!(token["fixes"].to_string().contains("aws sso login"), "{token:#}");
    assert_eq!(text(finding(&report, "CPL303", &registry), "blockedBy"), "CPL302");

    access(json!({ "credentials": "unrecognized" }));
    let report = preflight(&lab, 1, &[]);
    let token = finding(&report, "CPL302", &registry);
    assert!(token["fixes"].to_string().contains("aws sts get-caller-identity"), "{token:#}");

    access(json!({ "denied": ["ListImages"] }));
    let report = preflight(&lab, 1, &[]);
    let listing = finding(&report, "CPL303", &registry);
    assert_eq!(text(listing, "result"), "Unknown");
    assert_eq!(text(listing, "reason"), "no permission for ecr:ListImages");
    let table = plugin(&lab, 1, &["preflight"]).stdout;
    let last = "\nPrivate connectivity not verified; not checked: ECR of 123456789012 (CPL303)\n";
    assert!(table.ends_with(last), "{table}");

    access(json!({ "denied": ["GetAuthorizationToken"] }));
    let report = preflight(&lab, 1, &[]);
    assert_eq!(text(finding(&report, "CPL302", &registry), "result"), "Unknown");
    assert_eq!(text(finding(&report, "CPL303", &registry), "blockedBy"), "CPL302");

    reset_lab(&lab);
    let report = parse_json(&plugin_without_aws(&lab, 1, &["preflight", "-o", "json"]));
    let token = finding(&report, "CPL302", &registry);
    assert_eq!(text(token, "result"), "Unknown");
    assert_eq!(text(token, "reason"), "no AWS credentials found on this machine");
    assert!(token["fixes"].to_string().contains("aws sts get-caller-identity"), "{token:#}");

    // Without internet access, a public address of ECR is a warning, and the failed connection a failure.
    dns(&lab, ECR_API, &Behaviour::addresses(&[Ipv4Addr::new(203, 0, 113, 99)]));
    let report = preflight(&lab, 1, &[]);
    assert_eq!(with_result(&report, &["Warn"]), [format!("CPL311 {ECR_API}")]);
    assert_eq!(with_result(&report, &["Fail"]), [format!("CPL320 {ECR_API}")]);
    for code in ["CPL311", "CPL320"] {
        let fixes = finding(&report, code, ECR_API)["fixes"].to_string();
        assert!(fixes.contains("another DNS record answers"), "{fixes}");
    }
}
