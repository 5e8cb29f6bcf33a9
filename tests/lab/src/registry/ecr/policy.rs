//! The caller's identity-based IAM policy, as far as ECR needs it: what it allows, by action and resource.

use serde::Deserialize;

/// A policy document. Unsupported elements (conditions, `Deny`, `NotAction`, …) are rejected when it is set, so that no
/// test passes because of a statement that was ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    #[serde(rename = "Version")]
    _version: Version,
    statement: Vec<Statement>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Version {
    #[serde(rename = "2012-10-17")]
    Current,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid", default)]
    _sid: String,
    #[serde(rename = "Effect")]
    _effect: Effect,
    action: OneOrMany,
    resource: OneOrMany,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Effect {
    Allow,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn any(&self, is_it: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(text) => is_it(text),
            Self::Many(texts) => texts.iter().any(|text| is_it(text)),
        }
    }
}

impl Policy {
    /// Whether a statement allows ECR's `action` on `resource`, which is `*` for an action without a resource.
    pub fn allows(&self, action: &str, resource: &str) -> bool {
        // In IAM, actions are case-insensitive and resources case-sensitive (IAM user guide, "Action" and "Resource").
        let action = format!("ecr:{action}").to_ascii_lowercase();
        self.statement.iter().any(|statement| {
            statement.action.any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
                && statement.resource.any(|pattern| matches(pattern, resource))
        })
    }
}

/// Whether `text` matches `pattern`, in which `*` matches any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let Some(wanted) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[wanted.len_utf8()..];
    if wanted == '*' {
        let starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
        return starts.into_iter().any(|start| matches(rest, &text[start..]));
    }
    let found = text.chars().next();
    found.is_some_and(|found| (wanted == '?' || wanted == found) && matches(rest, &text[found.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::ecr::state::arn;

    #[test]
    fn a_policy_allows_what_its_statements_name() {
        let policy: Policy = serde_json::from_value(json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {"Effect": "Allow", "Action": ["ecr:putimage", "ecr:Batch*"], "Resource": [arn("ours/*")]},
        ]}))
        .unwrap();
        let cases = [
            ("GetAuthorizationToken", "*".to_owned(), true),
            ("PutImage", arn("ours/a/b"), true),
            ("BatchGetImage", arn("ours/a"), true),
            ("PutImage", arn("ours"), false),
            ("PutImage", arn("oursx/a"), false),
            ("PutImage", arn("shop/ours/a"), false),
            ("PutImage", arn("Ours/a"), false),
            // All repositories are more than the allowed ones.
            ("BatchGetImage", arn("*"), false),
            ("CreateRepository", arn("ours/a"), false),
            ("PutImage", "*".to_owned(), false),
        ];
        for (action, resource, expected) in cases {
            assert_eq!(policy.allows(action, &resource), expected, "{action} {resource}");
        }
    }

    #[test]
    fn patterns_match_as_in_iam() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn unsupported_policy_elements_are_rejected() {
        let allow = json!({"Effect": "Allow", "Action": "ecr:*", "Resource": "*"});
        for (member, value) in [
            ("Effect", json!("Deny")),
            ("Condition", json!({})),
            ("NotAction", json!("ecr:PutImage")),
            ("Principal", json!("*")),
        ] {
            let mut statement = allow.clone();
            statement[member] = value;
            let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
            assert!(serde_json::from_value::<Policy>(policy.clone()).is_err(), "{policy}");
        }
    }
}
