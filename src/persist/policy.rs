//! A `MutatingAdmissionPolicy` that renames images when pods are created, and its binding.
//!
//! It runs again after webhooks that add containers (`reinvocationPolicy: IfNeeded`). It never blocks a pod: with
//! `failurePolicy: Ignore`, a pod is admitted unchanged if an expression fails.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::{Names, pattern};
use crate::model::admission_policy::{MUTATING, NAME};
use crate::model::image_field::{AdmissionList, admission_lists};

pub const GROUP: &str = MUTATING.group;
pub const POLICY: &str = MUTATING.kinds[0];
pub const BINDING: &str = MUTATING.kinds[1];
pub const VERSIONS: &[&str] = MUTATING.versions;

/// What a reader of the policy should know.
pub fn comment(is_by_prefix: bool) -> String {
    let extent = if is_by_prefix {
        "Renames every image with a Cast AI prefix, even if the registry does not hold it."
    } else {
        "Renames the repositories of which the registry held images when this was created: create it \
             again when Cast AI\n# adds components."
    };
    format!(
        "# Renames Cast AI's images to the mirror's when pods are created.\n# {extent}\n# Pods cannot pull \
         a tag that is not mirrored yet: run sync-images before each upgrade.\n"
    )
}

/// The policy and its binding in a `version` of the API.
pub fn manifests(names: &Names, version: &str) -> [Value; 2] {
    let api_version = format!("{GROUP}/{version}");
    let metadata = json!({"name": NAME, "labels": {"app.kubernetes.io/managed-by": NAME}});
    let policy = json!({
        "apiVersion": api_version, "kind": POLICY, "metadata": metadata,
        "spec": {
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ]},
            "variables": variables(names),
            "mutations": admission_lists().iter().map(|list| mutation(names, *list)).collect::<Vec<_>>(),
        },
    });
    let binding = json!({
        "apiVersion": api_version, "kind": BINDING, "metadata": metadata,
        "spec": {"policyName": NAME},
    });
    [policy, binding]
}

fn variables(names: &Names) -> Vec<Value> {
    let variable = |name: &str, expression: String| json!({"name": name, "expression": expression});
    let mut variables = vec![
        variable("repository", literal(&pattern::repository())),
        variable("reference", literal(&format!("{}(?:{}|$)", pattern::repository(), pattern::VERSION))),
    ];
    if !names.prefixes.is_empty() {
        let prefixes: Vec<_> = names.prefixes.iter().map(|prefix| pattern::literal(prefix)).collect();
        variables.push(variable("prefix", literal(&format!("^(?:{})", prefixes.join("|")))));
    }
    // In CEL, an empty map has no type.
    if !names.everywhere.is_empty() {
        variables.push(variable("everywhere", map(&names.everywhere)));
    }
    if !names.inside.is_empty() {
        let namespaces: Vec<_> = names.namespaces.iter().map(|namespace| literal(namespace)).collect();
        variables.push(variable("isInside", format!("request.namespace in [{}]", namespaces.join(", "))));
        variables.push(variable("inside", map(&names.inside)));
    }
    variables
}

/// Replaces the images of one list's items. In the expression, `c` is an item and `r` the repository of its image.
fn mutation(names: &Names, admission: AdmissionList) -> Value {
    let AdmissionList { list, image: members } = admission;
    let inside = "variables.isInside && r in variables.inside";
    let mut cases = Vec::new();
    if !names.everywhere.is_empty() {
        cases.push(("r in variables.everywhere", "variables.everywhere[r]".to_owned()));
    }
    if !names.inside.is_empty() {
        cases.push((inside, "variables.inside[r]".to_owned()));
    }
    if !names.prefixes.is_empty() {
        let layout = format!("{} + r", literal(&format!("{}/", names.mirror)));
        cases.push(("r.matches(variables.prefix)", layout));
    }
    let is_renamed: Vec<_> = cases.iter().map(|(condition, _)| format!("({condition})")).collect();
    let is_renamed = if is_renamed.is_empty() { "false".to_owned() } else { is_renamed.join(" || ") };
    let renamed = cases
        .iter()
        .fold(String::new(), |chain, (condition, name)| format!("{chain}({condition}) ? {name} : "))
        + "r";
    let image = format!("c.{}", members.join("."));
    // Each parent may be missing.
    let has_image: Vec<_> =
        (1..=members.len()).map(|end| format!("has(c.{})", members[..end].join("."))).collect();
    let has_image = has_image.join(" && ");
    let path = members.join("/");
    // Missing fields are read as empty lists, and an untagged image gets its implicit tag.
    let expression = format!(
        "(has(object.spec.{list}) ? object.spec.{list} : []).transformList(i, c,\n  \
         {has_image} && {image}.matches(variables.reference) &&\n  \
         [{image}.find(variables.repository)].exists(r, {is_renamed}),\n  \
         JSONPatch{{\n    \
         op: \"replace\",\n    \
         path: \"/spec/{list}/\" + string(i) + \"/{path}\",\n    \
         value: [{image}.find(variables.repository)].map(r,\n      \
         ({renamed})\n      \
         + {image}.substring(size(r)) + (r == {image} ? \":latest\" : \"\"))[0]\n  \
         }})\n"
    );
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

/// A map with one entry per line, for readability.
fn map(names: &BTreeMap<String, String>) -> String {
    let entries: Vec<_> = names
        .iter()
        .map(|(public, private)| format!("  {}: {}", literal(public), literal(private)))
        .collect();
    format!("{{\n{}\n}}\n", entries.join(",\n"))
}

/// A CEL string literal. It contains only image names and our own patterns.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefixes: &[&str], everywhere: &[&str], inside: &[&str]) -> Names {
        let own = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), format!("e.example/{name}"))).collect()
        };
        Names {
            mirror: "e.example".parse().unwrap(),
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            everywhere: own(everywhere),
            inside: own(inside),
            namespaces: vec!["castai-agent".to_owned()],
        }
    }

    #[test]
    fn the_policy_never_blocks_a_pod_in_any_api_version() {
        for version in VERSIONS {
            let [policy, binding] = manifests(&names(&["castai/"], &[], &[]), version);
            assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
            assert_eq!(policy["spec"]["reinvocationPolicy"], "IfNeeded");
            assert_eq!(policy["apiVersion"], format!("admissionregistration.k8s.io/{version}"));
            assert_eq!(
                (&binding["apiVersion"], &binding["spec"]["policyName"]),
                (&policy["apiVersion"], &NAME.into())
            );
        }
    }

    #[test]
    fn a_policy_declares_only_variables_that_it_uses() {
        let variables = |names: &Names| -> Vec<String> {
            let [policy, _] = manifests(names, "v1");
            let text = policy["spec"]["mutations"].to_string();
            let variables = policy["spec"]["variables"].as_array().unwrap();
            let found: Vec<_> =
                variables.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            for name in &found {
                assert!(text.contains(&format!("variables.{name}")), "{name} is not used in {text}");
            }
            assert_eq!(text.matches("variables.").count() > 0, !found.is_empty());
            found
        };
        let both = ["repository", "reference"];
        assert_eq!(variables(&names(&[], &["a/b"], &[])), [&both[..], &["everywhere"]].concat());
        assert_eq!(variables(&names(&[], &[], &["a/b"])), [&both[..], &["isInside", "inside"]].concat());
        assert_eq!(variables(&names(&["a/"], &[], &[])), [&both[..], &["prefix"]].concat());
    }

    #[test]
    fn volumes_with_an_image_are_renamed() {
        let [policy, _] = manifests(&names(&["castai/"], &[], &[]), "v1");
        let mutations = policy["spec"]["mutations"].as_array().unwrap();
        let expressions: Vec<_> =
            mutations.iter().map(|one| one["jsonPatch"]["expression"].as_str().unwrap()).collect();
        assert_eq!(expressions.len(), 3);
        assert!(expressions[2].starts_with("(has(object.spec.volumes) ? object.spec.volumes : [])"));
        assert!(
            expressions[2].contains("has(c.image) && has(c.image.reference) && c.image.reference.matches(")
        );
        assert!(expressions[2].contains("path: \"/spec/volumes/\" + string(i) + \"/image/reference\""));
        assert!(!expressions[1].contains("reference)") || expressions[1].contains("variables.reference)"));
    }

    /// cel-go accepts 100,000 characters; the list of all Cast AI images stays far below.
    #[test]
    fn hundreds_of_repositories_fit_into_an_expression() {
        let many: Vec<_> =
            (0..500).map(|index| format!("us-docker.pkg.dev/castai-hub/library/component-{index}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let [policy, _] = manifests(&names(&[], &many, &[]), "v1");
        let longest = policy["spec"]["variables"].as_array().unwrap().iter();
        let longest = longest.map(|one| one["expression"].as_str().unwrap().len()).max().unwrap();
        assert!((10_000..100_000).contains(&longest), "{longest}");
    }
}
