//! The settings of repositories that `sync-images` creates.

use lab::address::{ACCOUNT, REGION};
use lab::registry::ecr::state::Repository;
use serde_json::json;

use crate::harness::{
    PATH, assert_stderr_contains, clear_traffic, ecr_state, own_lab, plugin, shared_lab, sync, traffic,
    write_file,
};

const SETTINGS: &str = "\
tags:
  team: platform
kmsKey: alias/images
immutableTags: true
scanOnPush: true
pullPrincipals: ['210987654321']
";

#[test]
fn new_repositories_get_the_settings_and_others_stay_as_they_are() {
    let lab = &own_lab();
    let existing = format!("{PATH}/castai/hibernate");
    lab.control().put("/ecr/repositories", &json!({"name": existing})).unwrap();
    write_file(lab, "settings.yaml", SETTINGS);
    sync(lab, 0, &["--no-rewrite", "--repository-settings=settings.yaml"]);

    let repositories = ecr_state(lab).repositories;
    let created: Vec<_> = repositories
        .iter()
        .filter(|(name, _)| name.starts_with(&format!("{PATH}/")) && **name != existing)
        .collect();
    assert!(created.len() > 2, "{created:?}");
    for (name, repository) in created {
        assert_eq!(repository.resource_tags["team"], "platform", "{name}");
        assert_eq!(
            repository.encryption,
            json!({"encryptionType": "KMS", "kmsKey": "alias/images"}),
            "{name}"
        );
        assert_eq!(repository.mutability, "IMMUTABLE", "{name}");
        assert_eq!(repository.scanning, json!({"scanOnPush": true}), "{name}");
        let statement = &repository.policy["Statement"][0];
        assert_eq!(statement["Principal"]["AWS"], json!(["arn:aws:iam::210987654321:root"]), "{name}");
        assert!(statement["Action"].to_string().contains("ecr:BatchGetImage"), "{name}");
        assert!(!repository.images.is_empty(), "{name} has its images");
    }
    let (found, new) = (&repositories[&existing], Repository::default());
    assert_eq!(
        (&found.mutability, &found.scanning, &found.encryption, &found.policy),
        (&new.mutability, &new.scanning, &new.encryption, &new.policy)
    );
}

#[test]
fn creation_templates_are_used_with_one_request_and_may_be_forbidden() {
    let lab = &own_lab();
    let template = json!({
        "prefix": PATH, "appliedFor": ["CREATE_ON_PUSH"], "imageTagMutability": "IMMUTABLE",
        "resourceTags": [{"Key": "team", "Value": "template"}, {"Key": "cost", "Value": "1"}],
        "encryptionConfiguration": {"encryptionType": "KMS"},
        "repositoryPolicy": "{\"Version\": \"2012-10-17\"}", "lifecyclePolicy": "{\"rules\": []}",
    });
    let other = json!({"prefix": format!("{PATH}/castai"), "appliedFor": ["REPLICATION"]});
    lab.control().put("/ecr/settings", &json!({"creation_templates": [other, template]})).unwrap();
    write_file(lab, "settings.json", "{\"tags\": {\"team\": \"platform\"}}");
    let requests = || {
        let is_templates =
            |operation: &Option<String>| operation.as_deref() == Some("DescribeRepositoryCreationTemplates");
        traffic(lab, "ecr").iter().filter(|record| is_templates(&record.operation)).count()
    };
    clear_traffic(lab);
    sync(lab, 0, &["--no-rewrite", "--repository-settings=settings.json"]);
    assert_eq!(requests(), 1);
    let repositories = ecr_state(lab).repositories;
    let repository = &repositories[&format!("{PATH}/castai/hibernate")];
    assert_eq!(json!(repository.resource_tags), json!({"team": "platform", "cost": "1"}));
    assert_eq!(
        (repository.mutability.as_str(), &repository.encryption),
        ("IMMUTABLE", &json!({"encryptionType": "KMS"}))
    );
    assert_eq!(
        (&repository.policy, &repository.lifecycle),
        (&json!({"Version": "2012-10-17"}), &json!({"rules": []}))
    );

    // Nothing is created, so nothing is asked.
    clear_traffic(lab);
    sync(lab, 0, &["--no-rewrite"]);
    assert_eq!(requests(), 0);

    let lab = &own_lab();
    lab.control().put("/ecr/access", &json!({"denied": ["DescribeRepositoryCreationTemplates"]})).unwrap();
    let output = sync(lab, 0, &["--no-rewrite"]);
    let note = "note: repositories are created without ECR's creation templates: access denied for \
                ecr:DescribeRepositoryCreationTemplates";
    assert_eq!(output.stderr.matches(note).count(), 1, "{}", output.stderr);
}

#[test]
fn invalid_and_useless_settings_are_named() {
    let lab = shared_lab();
    write_file(lab, "wrong.yaml", "scanOnPush: sometimes\n");
    let output = plugin(lab, 2, &["sync-images", "--dry-run=client", "--repository-settings=wrong.yaml"]);
    assert_stderr_contains(
        &output,
        &["error: --repository-settings wrong.yaml: scanOnPush: ", "hint: the format is described at"],
    );
    write_file(lab, "settings.yaml", SETTINGS);
    let other = [
        "sync-images",
        "--dry-run=client",
        "--repository-settings=settings.yaml",
        "--registry=registry.example/x",
    ];
    let output = lab.plugin(&other).unwrap();
    assert_stderr_contains(&output, &["--repository-settings has no effect"]);
}

#[test]
fn a_policy_that_cannot_be_set_is_an_error() {
    let lab = &own_lab();
    lab.control().put("/ecr/access", &json!({"denied": ["SetRepositoryPolicy"]})).unwrap();
    write_file(lab, "settings.yaml", SETTINGS);
    let output = sync(lab, 1, &["--no-rewrite", "--repository-settings=settings.yaml"]);
    // All images have one cause, so the error names none of their repositories.
    let resource = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/…");
    assert_stderr_contains(
        &output,
        &[&format!("error: 5 images failed: access denied for ecr:SetRepositoryPolicy on {resource}")],
    );
}
