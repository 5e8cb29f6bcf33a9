//! Roles and bindings for `kubectl apply -f -`.

use std::fmt::Write as _;
use std::str::FromStr;

use serde_json::{Value, json};

use super::kubernetes::rules;
use super::{KubernetesRule, Need, Scope};
use crate::model::knowledge::Knowledge;
use crate::printable::one_line;

/// Characters of a reason, which may come from a user's file.
const REASON_LIMIT: usize = 200;

/// The name of all roles and bindings.
const NAME: &str = "castai-privatelink";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The subject that a role is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "expected user:NAME, group:NAME or serviceaccount:NAMESPACE:NAME".to_owned();
        let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
        if name.chars().any(char::is_control) {
            return Err(wrong());
        }
        match kind {
            "user" => Ok(Self::User(name.to_owned())),
            "group" => Ok(Self::Group(name.to_owned())),
            "serviceaccount" => {
                let (namespace, name) = name.split_once(':').ok_or_else(wrong)?;
                if namespace.is_empty() || name.is_empty() {
                    return Err(wrong());
                }
                Ok(Self::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

impl Subject {
    fn manifest(&self) -> Value {
        match self {
            Self::User(name) => json!({"apiGroup": RBAC, "kind": "User", "name": name}),
            Self::Group(name) => json!({"apiGroup": RBAC, "kind": "Group", "name": name}),
            Self::ServiceAccount { namespace, name } => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
        }
    }
}

/// A role with its namespace (`None` for a `ClusterRole`) and rules.
struct Role<'a> {
    namespace: Option<&'a str>,
    rules: Vec<KubernetesRule>,
}

impl Role<'_> {
    const fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "Role" } else { "ClusterRole" }
    }
}

/// The roles; `namespace` is the one of Cast AI's components.
fn roles<'n>(read_only: bool, namespace: &'n str, knowledge: &Knowledge) -> Vec<Role<'n>> {
    let all = rules(read_only, knowledge);
    let of = |scope| all.iter().filter(|rule| rule.scope == scope).cloned().collect();
    let mut roles = vec![Role { namespace: None, rules: of(Scope::Cluster) }];
    let (components, system): (Vec<_>, Vec<_>) = (of(Scope::Components), of(Scope::KubeSystem));
    if namespace == KUBE_SYSTEM {
        // The same object cannot be applied twice.
        roles.push(Role { namespace: Some(namespace), rules: [components, system].concat() });
    } else {
        roles.push(Role { namespace: Some(namespace), rules: components });
        roles.push(Role { namespace: Some(KUBE_SYSTEM), rules: system });
    }
    roles
}

const KUBE_SYSTEM: &str = "kube-system";

/// The manifests as YAML, each rule with its purpose.
pub fn yaml(read_only: bool, namespace: &str, subject: &Subject, knowledge: &Knowledge) -> String {
    let mut text = String::new();
    for role in roles(read_only, namespace, knowledge) {
        let kind = role.kind();
        // Writing to a string cannot fail, here and below. JSON strings are YAML strings.
        let metadata = |text: &mut String| {
            let _ = writeln!(text, "metadata:\n  name: {NAME}");
            if let Some(namespace) = role.namespace {
                let _ = writeln!(text, "  namespace: {}", Value::from(namespace));
            }
        };
        let _ = writeln!(text, "---\napiVersion: {RBAC}/v1\nkind: {kind}");
        metadata(&mut text);
        text.push_str("rules:\n");
        for rule in &role.rules {
            let optional = if rule.need == Need::Optional { "optional: " } else { "" };
            let _ = writeln!(text, "  # {optional}{}", one_line(&rule.reason, REASON_LIMIT));
            let _ = writeln!(text, "  - apiGroups: {}", json!([rule.api_group]));
            let _ = writeln!(text, "    resources: {}", json!(rule.resources));
            if !rule.resource_names.is_empty() {
                let _ = writeln!(text, "    resourceNames: {}", json!(rule.resource_names));
            }
            let _ = writeln!(text, "    verbs: {}", json!(rule.verbs));
        }
        let _ = writeln!(text, "---\napiVersion: {RBAC}/v1\nkind: {kind}Binding");
        metadata(&mut text);
        let _ = writeln!(text, "roleRef:\n  apiGroup: {RBAC}\n  kind: {kind}\n  name: {NAME}");
        let _ = writeln!(text, "subjects:\n  - {}", subject.manifest());
    }
    text
}

/// The manifests as a `List`, which `kubectl apply -f -` accepts too.
pub fn list(read_only: bool, namespace: &str, subject: &Subject, knowledge: &Knowledge) -> Value {
    let mut items = Vec::new();
    for role in roles(read_only, namespace, knowledge) {
        let kind = role.kind();
        let mut metadata = json!({"name": NAME});
        if let Some(namespace) = role.namespace {
            metadata["namespace"] = namespace.into();
        }
        let rules: Vec<_> = role.rules.iter().map(manifest).collect();
        items.push(
            json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": metadata, "rules": rules}),
        );
        items.push(json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": format!("{kind}Binding"),
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": NAME},
            "subjects": [subject.manifest()],
        }));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn manifest(rule: &KubernetesRule) -> Value {
    let mut manifest =
        json!({"apiGroups": [rule.api_group], "resources": rule.resources, "verbs": rule.verbs});
    if !rule.resource_names.is_empty() {
        manifest["resourceNames"] = json!(rule.resource_names);
    }
    manifest
}
