//! Settings of the ECR repositories that are created, as the file of `--repository-settings` has them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::aws_partition::Partition;
use crate::printable::one_line;

/// What a repository gets when it is created. Existing repositories are not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RepositorySettings {
    /// Tags of the repository.
    pub tags: BTreeMap<String, String>,
    /// The KMS key that encrypts its images: a key's id, ARN or alias. Without it, ECR's own keys do.
    pub kms_key: Option<String>,
    /// Whether a tag that exists cannot be moved to another image.
    pub immutable_tags: Option<bool>,
    /// Whether images are scanned when they are pushed.
    pub scan_on_push: Option<bool>,
    /// The repository's policy, an IAM policy document.
    pub policy: Option<serde_json::Map<String, Value>>,
    /// Who else may pull its images: AWS accounts, or ARNs of users and roles. They are added to the policy.
    pub pull_principals: BTreeSet<String>,
}

/// What a principal needs to pull (Amazon ECR user guide, "Private repository policy examples").
const PULL: [&str; 3] =
    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

impl RepositorySettings {
    /// # Errors
    /// A field is unknown or has the wrong type.
    pub fn read(value: Value) -> Result<Self, String> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let why = one_line(&error.inner().to_string(), 300);
            match error.path().to_string().as_str() {
                "." => why,
                path => format!("{path}: {why}"),
            }
        })
    }

    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// The policy as ECR takes it, with a statement for the principals; `None` if there is neither.
    pub fn policy_text(&self, region: &str) -> Option<String> {
        if self.pull_principals.is_empty() {
            return self.policy.as_ref().map(|policy| Value::Object(policy.clone()).to_string());
        }
        let partition = Partition::of_region(region).id;
        let is_account = |principal: &str| principal.bytes().all(|byte| byte.is_ascii_digit());
        let arn = |principal: &String| {
            if is_account(principal) {
                format!("arn:{partition}:iam::{principal}:root")
            } else {
                principal.clone()
            }
        };
        let principals: Vec<_> = self.pull_principals.iter().map(arn).collect();
        let pull = json!({
            "Sid": "AllowPull", "Effect": "Allow", "Principal": {"AWS": principals}, "Action": PULL,
        });
        let mut policy = self.policy.clone().unwrap_or_default();
        policy.entry("Version").or_insert_with(|| "2012-10-17".into());
        // IAM also accepts a single statement without a list.
        let statements = match policy.remove("Statement") {
            Some(Value::Array(statements)) => statements,
            single => single.into_iter().collect(),
        };
        policy.insert("Statement".to_owned(), statements.into_iter().chain([pull]).collect());
        Some(Value::Object(policy).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_validated_by_name_and_type() {
        for (value, words) in [
            (json!({"kmsKeys": "x"}), "kmsKeys"),
            (json!({"scanOnPush": "yes"}), "scanOnPush: invalid type"),
            (json!({"pullPrincipals": [1]}), "pullPrincipals[0]: invalid type"),
            (json!({"policy": "{}"}), "policy: invalid type"),
        ] {
            let error = RepositorySettings::read(value).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(RepositorySettings::read(json!({})).unwrap().is_empty());
    }

    #[test]
    fn pull_principals_are_a_statement_of_the_policy() {
        let text = |value: Value, region: &str| {
            let text = RepositorySettings::read(value).unwrap().policy_text(region);
            text.map(|text| serde_json::from_str::<Value>(&text).unwrap())
        };
        assert_eq!(text(json!({"scanOnPush": true}), "us-east-1"), None);
        let own = json!({"Statement": {"Sid": "Own"}});
        assert_eq!(text(json!({"policy": own}), "us-east-1"), Some(own.clone()));
        let role = "arn:aws:iam::222222222222:role/x";
        let policy =
            text(json!({"policy": own, "pullPrincipals": ["111111111111", role]}), "cn-north-1").unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
        assert_eq!(policy["Statement"][0], own["Statement"]);
        let principals = json!(["arn:aws-cn:iam::111111111111:root", role]);
        assert_eq!(policy["Statement"][1]["Principal"]["AWS"], principals);
        assert_eq!(policy["Statement"][1]["Action"], json!(PULL));
    }
}
