//! The AWS account: what it is known from, what contradicts it, and registries of other accounts and regions.

use lab::address::ACCOUNT;
use lab::kubeconfig::cluster_arn;
use serde_json::json;

use crate::harness::{QUICK, apply, assert_stderr_contains, own_lab, plugin, shared_lab, sync, write_file};

const OTHER: &str = "210987654321";

#[test]
fn a_registry_of_another_account_or_region_warns_before_anything_is_copied() {
    let lab = shared_lab();
    let other = |host: &str| {
        let registry = format!("--registry={host}/mirror");
        lab.plugin(&[&["sync-images", "--dry-run=client", &registry], QUICK].concat()).unwrap()
    };
    let output = other(&format!("{OTHER}.dkr.ecr.eu-west-1.amazonaws.com"));
    let account = format!("is in another AWS account than cluster {} ({ACCOUNT})", cluster_arn());
    let region = format!("is in another region than cluster {} (us-east-1)", cluster_arn());
    assert_stderr_contains(&output, &[&account, &region]);
    let output = other(&format!("{ACCOUNT}.dkr-ecr.us-east-1.on.aws"));
    assert_stderr_contains(&output, &["has no VPC endpoint: nodes without internet can only pull from"]);
    assert!(!output.stderr.contains("another"), "{}", output.stderr);
}

#[test]
fn the_account_is_printed_with_its_origin_and_contradictions_warn() {
    let lab = own_lab();
    let aws_auth = |account: &str| {
        let roles =
            json!([{"rolearn": format!("arn:aws:iam::{account}:role/n"), "groups": ["system:nodes"]}]);
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"mapRoles": roles.to_string()},
            "metadata": {"name": "aws-auth", "namespace": "kube-system"}})
    };
    apply(&lab, &aws_auth(OTHER));
    let output = plugin(&lab, 0, &["sync-images", "--dry-run=client"]);
    let conflict =
        format!("several AWS accounts are named for the cluster: {ACCOUNT} (EKS ARN), {OTHER} (aws-auth)");
    assert_stderr_contains(&output, &[&conflict]);

    // Without the ARN, others are asked, and the credentials last.
    let text = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let renamed = write_file(&lab, "renamed", &text.replace(&cluster_arn(), "prod"));
    let kubeconfig = format!("--kubeconfig={}", renamed.display());
    let output = sync(&lab, 2, &[&kubeconfig]);
    let ambiguous = format!(
        "is in AWS account {OTHER} (aws-auth), but the AWS credentials belong to account {ACCOUNT} (STS)"
    );
    assert_stderr_contains(&output, &[&ambiguous]);

    apply(
        &lab,
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"mapRoles": "[]"},
        "metadata": {"name": "aws-auth", "namespace": "kube-system"}}),
    );
    let output = plugin(&lab, 0, &["sync-images", "--dry-run=client", &kubeconfig]);
    assert_stderr_contains(
        &output,
        &[&format!("note: images are mirrored to account {ACCOUNT}, which the AWS credentials")],
    );
    let annotations = json!({"eks.amazonaws.com/role-arn": format!("arn:aws:iam::{ACCOUNT}:role/castai")});
    apply(
        &lab,
        &json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "castai-agent", "namespace": "castai-agent", "annotations": annotations}}),
    );
    let output = sync(&lab, 0, &[&kubeconfig]);
    assert_stderr_contains(&output, &[&format!("account: {ACCOUNT} (service accounts of Cast AI)")]);
}
