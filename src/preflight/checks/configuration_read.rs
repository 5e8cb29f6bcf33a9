//! CPL103: a component's endpoints can be read.

use serde_json::json;

use crate::preflight::check::{Category, Check, Judge, Requires, Severity, Source};
use crate::preflight::component::Component;
use crate::preflight::judgement::Judgement;

pub static CHECK: Check = Check {
    code: "CPL103",
    title: "a component's endpoints can be read",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[Requires::Cluster("CPL101")],
    source: Source::KubernetesApi,
    permissions: &["get configmaps", "get secrets"],
    explanation: "Components carry their endpoints as literal variables or take them from ConfigMaps and Secrets. A value that cannot be read leaves open which host the component calls.",
    remediation: "create the ConfigMap or Secret that the component refers to, or correct the value",
    judge: Judge::Component(judge),
};

fn judge(component: &Component) -> Judgement {
    let seen: Vec<_> = component
        .endpoints
        .iter()
        .map(|configured| format!("{} ({})", configured.endpoint, configured.origin))
        .collect();
    let judgement = if component.unreadable.is_empty() {
        Judgement::pass(seen.join(", "))
    } else {
        Judgement { observed: seen.join(", "), ..Judgement::unknown(component.unreadable.join("; ")) }
    };
    judgement
        .evidence(json!({ "endpoints": seen, "unreadable": component.unreadable, "notes": component.notes }))
}
