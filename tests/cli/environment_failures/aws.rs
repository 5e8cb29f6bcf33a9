//! AWS rejects the credentials, denies an action, or the region is wrong.

use lab::aws::Identity;
use serde_json::json;

use super::{ALL, assert_rewritten};
use crate::harness::{
    MIRROR, QUICK, assert_stderr_contains, ecr_tags, own_lab, plugin, plugin_without_aws, shared_lab,
    snapshot_output, sync, workload_specs,
};

const REGISTRY: &[&str] = &["--registry", MIRROR];

#[test]
fn invalid_credentials_stop_the_run_before_any_change() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    let control = lab.control();
    for (fault, words) in [
        ("expired-token", ["credentials have expired", "aws sso login"]),
        ("invalid-client-token-id", ["invalid AWS credentials", "AWS_PROFILE"]),
        ("access-denied", ["access denied for sts:GetCallerIdentity", "--registry"]),
        ("silent", ["sts:GetCallerIdentity got no response", "--registry"]),
    ] {
        control.put("/aws/faults", &json!([{"service": "sts", "fault": fault}])).unwrap();
        let limit: &[&str] = if fault == "silent" { &["--idle-timeout=1s"] } else { &[] };
        assert_stderr_contains(&sync(&lab, 2, limit), &words);
    }
    control.post("/aws/reset", &json!({})).unwrap();
    for (credentials, words) in [
        ("expired", ["credentials have expired", "aws sso login"]),
        ("unrecognized", ["invalid AWS credentials", "AWS_PROFILE"]),
    ] {
        control.put("/ecr/access", &json!({"credentials": credentials})).unwrap();
        assert_stderr_contains(&sync(&lab, 2, &[]), &words);
    }
    control.put("/ecr/access", &json!({})).unwrap();
    for registry in [&[], REGISTRY] {
        let output = plugin_without_aws(&lab, 2, &[&["sync-images", "--yes"], registry].concat());
        snapshot_output("no-aws-credentials", "sync-images --yes", &output);
        let said = output.stderr;
        assert!(said.contains("no AWS credentials") && said.contains("aws sso login"), "{said}");
        assert_eq!(said.lines().count(), 2, "an error and a hint: {said}");
    }
    control.put("/aws/identity", &Identity::of_account("210987654321")).unwrap();
    let output = sync(&lab, 2, &[]);
    snapshot_output("another-account", "sync-images --yes", &output);
    assert_stderr_contains(&output, &["123456789012", "210987654321", "--registry"]);
    assert_rewritten(&before, &lab, &[]);
    assert_eq!(ecr_tags(&lab), tags);

    // The user's flag decides.
    sync(&lab, 0, REGISTRY);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn an_action_that_iam_denies_is_named_with_its_resource() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    for (action, words) in [
        (
            "ListImages",
            [
                "access denied for ecr:ListImages on arn:aws:ecr:us-east-1:123456789012:repository",
                "IAM policy",
            ],
        ),
        (
            "CreateRepository",
            ["access denied for ecr:CreateRepository on arn:aws:ecr:us-east-1:", "IAM policy"],
        ),
        ("GetAuthorizationToken", ["access denied for ecr:GetAuthorizationToken", "IAM policy"]),
        ("InitiateLayerUpload", ["ecr:InitiateLayerUpload", "castai/hibernate"]),
        ("PutImage", ["ecr:PutImage", "castai/hibernate"]),
    ] {
        lab.control().put("/ecr/access", &json!({"denied": [action]})).unwrap();
        let output = sync(&lab, 1, &[]);
        if let Some(name) = match action {
            "ListImages" => Some("denied-list"),
            "GetAuthorizationToken" => Some("denied-token"),
            "PutImage" => Some("denied-push"),
            _ => None,
        } {
            snapshot_output(name, "sync-images --yes", &output);
        }
        assert_stderr_contains(&output, &words);
        assert_stderr_contains(
            &output,
            &["in namespace castai-agent not updated (", "(deployment.apps/castai-agent, "],
        );
        assert_eq!(ecr_tags(&lab), tags, "{action}");
        assert_rewritten(&before, &lab, &[]);
    }
    lab.control().put("/ecr/access", &json!({})).unwrap();
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn unknown_regions_fail_before_any_request() {
    let lab = shared_lab();
    let tags = ecr_tags(lab);
    for command in ["sync-images", "preflight"] {
        for region in ["us-east1", "mars-1", "US-EAST-1"] {
            let output = plugin(lab, 2, &[command, &format!("--region={region}")]);
            assert_stderr_contains(
                &output,
                &[region, "--region <REGION>", "expected an AWS region such as us-east-1"],
            );
        }
    }
    let output = plugin(lab, 2, &[&["sync-images", "--yes", "--region=us-east-9"], QUICK].concat());
    assert_stderr_contains(
        &output,
        &["sts:GetCallerIdentity got no response", "not found in DNS", "--region"],
    );
    let registry = "--registry=123456789012.dkr.ecr.us-east-9.amazonaws.com";
    let output = plugin(lab, 2, &[&["sync-images", "--yes", registry], QUICK].concat());
    assert_stderr_contains(&output, &["ecr:ListImages", "not found in DNS", "--region"]);
    assert_eq!(ecr_tags(lab), tags);
}

#[test]
fn preflight_reports_a_region_without_services_and_sync_images_still_mirrors() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let output = plugin(&lab, 1, &[&["preflight", "--region=sa-east-1"], QUICK].concat());
    let words = "no known endpoint service in sa-east-1, only in us-east-1, us-east-2";
    assert!(output.stdout.contains(words), "{}", output.stdout);
    sync(&lab, 0, &[&["--region=sa-east-1"], REGISTRY].concat());
    assert_rewritten(&before, &lab, &ALL);
}
