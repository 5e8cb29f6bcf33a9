//! A `MutatingAdmissionPolicy` that renames images as pods are created, and its binding.
//!
//! It is asked again after webhooks that add containers (`reinvocationPolicy: IfNeeded`). It never stops a pod:
//! `failurePolicy: Ignore` lets a pod pass as it is where an expression fails.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::{Names, pattern};
use crate::castai::components;

/// The name of policy and binding.
pub const NAME: &str = "castai-privatelink";

pub const GROUP: &str = "admissionregistration.k8s.io";
pub const POLICY: &str = "MutatingAdmissionPolicy";
pub const BINDING: &str = "MutatingAdmissionPolicyBinding";

/// Versions of the API in which the policy can be written, the best first. In v1alpha1 it was never on by default.
pub const VERSIONS: &[&str] = &["v1", "v1beta1"];

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
            "mutations": [mutation(names, "initContainers"), mutation(names, "containers")],
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
    // An empty map has no type.
    if !names.everywhere.is_empty() {
        variables.push(variable("everywhere", map(&names.everywhere)));
    }
    if !names.inside.is_empty() {
        let namespaces: Vec<_> = components::NAMESPACES.iter().map(|name| literal(name)).collect();
        variables.push(variable("isInside", format!("request.namespace in [{}]", namespaces.join(", "))));
        variables.push(variable("inside", map(&names.inside)));
    }
    variables
}

/// Replaces the images of one list of containers. `r` is the repository of an image.
fn mutation(names: &Names, list: &str) -> Value {
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
        .fold("".to_owned(), |chain, (condition, name)| format!("{chain}({condition}) ? {name} : "))
        + "r";
    // Fields that are absent are read as empty lists, and an untagged image gets the tag that it means.
    let expression = format!(
        "(has(object.spec.{list}) ? object.spec.{list} : []).transformList(i, c,\n  \
         has(c.image) && c.image.matches(variables.reference) &&\n  \
         [c.image.find(variables.repository)].exists(r, {is_renamed}),\n  \
         JSONPatch{{\n    \
         op: \"replace\",\n    \
         path: \"/spec/{list}/\" + string(i) + \"/image\",\n    \
         value: [c.image.find(variables.repository)].map(r,\n      \
         ({renamed})\n      \
         + c.image.substring(size(r)) + (r == c.image ? \":latest\" : \"\"))[0]\n  \
         }})\n"
    );
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

/// One entry in each line, for people who read it.
fn map(names: &BTreeMap<String, String>) -> String {
    let entries: Vec<_> = names
        .iter()
        .map(|(public, private)| format!("  {}: {}", literal(public), literal(private)))
        .collect();
    format!("{{\n{}\n}}\n", entries.join(",\n"))
}

/// A string of CEL. What stands in it are names by the rules of images, and patterns of our own.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}
