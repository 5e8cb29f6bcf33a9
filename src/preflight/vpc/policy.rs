//! Whether a resource policy allows an action to everyone: endpoint policies and repository policies.

use serde_json::Value;

/// What a policy says about an action on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    Allowed,
    /// On the caller, or on a condition.
    Depends,
    Denied,
}

/// The decision about `action` (`s3:GetObject`) on `resource`, which may end with `*` for everything below, as IAM makes it:
/// a denial wins, and what no statement allows is denied (IAM user guide, "Policy evaluation logic"). A document that is not
/// a policy depends on what AWS makes of it.
pub fn decide(policy: &str, action: &str, resource: &str) -> Decision {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return Decision::Depends };
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        statement => vec![statement],
    };
    let (mut is_allowed, mut may_be_allowed, mut may_be_denied) = (false, false, false);
    for statement in statements {
        if !names(statement, "Action", action) || !names(statement, "Resource", resource) {
            continue;
        }
        let is_for_all = is_everyone(&statement["Principal"]) && statement["Condition"].is_null();
        match (statement["Effect"].as_str(), is_for_all) {
            (Some("Allow"), true) => is_allowed = true,
            (Some("Allow"), false) => may_be_allowed = true,
            (Some("Deny"), true) => return Decision::Denied,
            _ => may_be_denied = true,
        }
    }
    match (is_allowed, may_be_allowed, may_be_denied) {
        (true, _, false) => Decision::Allowed,
        (false, false, _) => Decision::Denied,
        _ => Decision::Depends,
    }
}

fn is_everyone(principal: &Value) -> bool {
    let is_star = |value: &Value| match value {
        Value::Array(values) => values.iter().any(|value| value == "*"),
        value => value == "*",
    };
    is_star(principal) || is_star(&principal["AWS"])
}

/// Whether a statement is about `text`: by `Action` or all but `NotAction`. Repository policies have no resource.
fn names(statement: &Value, element: &str, text: &str) -> bool {
    let matches = |patterns: &Value| {
        let mut patterns = match patterns {
            Value::Array(patterns) => patterns.iter().filter_map(Value::as_str).collect(),
            pattern => Vec::from_iter(pattern.as_str()),
        }
        .into_iter();
        patterns.any(|pattern| is_match(&pattern.to_lowercase(), &text.to_lowercase()))
    };
    let (own, others) = (&statement[element], &statement[format!("Not{element}")]);
    match (own, others) {
        (Value::Null, Value::Null) => element == "Resource",
        (Value::Null, others) => !matches(others),
        (own, _) => matches(own),
    }
}

/// `*` in the pattern matches any characters, `?` one.
fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, seen));
                at += 1;
            }
            Some(expected) if *expected == '?' || *expected == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                at = after;
                seen = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_by_iam() {
        const LAYERS: &str = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*";
        let full = r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#;
        let only = |resource: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":["s3:GetObject"],"Resource":["{resource}"]}}"#
            )
        };
        let denied = r#"{"Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"*"}"#;
        let cases = [
            (vec![full.to_owned()], Decision::Allowed),
            (vec![only(LAYERS)], Decision::Allowed),
            (vec![only("arn:aws:s3:::prod-*-starport-layer-bucket/*")], Decision::Allowed),
            (vec![only("arn:aws:s3:::ours/*")], Decision::Denied),
            (vec![], Decision::Denied),
            (vec![full.to_owned(), denied.to_owned()], Decision::Denied),
            (vec![full.to_owned(), denied.replace("s3:Get*", "s3:Put?bject")], Decision::Allowed),
            (
                vec![full.replace('}', r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}"#)],
                Decision::Depends,
            ),
            (
                vec![full.replace(r#""Principal":"*""#, r#""Principal":{"AWS":"123456789012"}"#)],
                Decision::Depends,
            ),
            (vec![full.replace("Action", "NotAction")], Decision::Denied),
            (
                vec![
                    full.to_owned(),
                    denied.replace('}', r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#),
                ],
                Decision::Depends,
            ),
        ];
        for (statements, expected) in cases {
            let policy = format!(r#"{{"Statement":[{}]}}"#, statements.join(","));
            assert_eq!(decide(&policy, "s3:GetObject", LAYERS), expected, "{policy}");
        }
        assert_eq!(decide(&format!(r#"{{"Statement":{full}}}"#), "s3:GetObject", LAYERS), Decision::Allowed);
        assert_eq!(decide("<html>", "s3:GetObject", LAYERS), Decision::Depends);
    }
}
