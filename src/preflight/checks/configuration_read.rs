//! CPL103: a component's endpoints can be read.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::component::Component;
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::references::Unreadable;

pub static CHECK: Check = Check {
    code: "CPL103",
    title: "a component's endpoints can be read",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[Requires::Cluster("CPL101")],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &["get configmaps", "get secrets"],
    explanation: "Components read their endpoints from environment variables, ConfigMaps and Secrets. If a \
                  value cannot be read, the host that the component connects to is unknown.",
    remediation: "create the ConfigMap or Secret that the component refers to, or fix the value",
    judge: Judge::Component(judge),
};

fn judge(component: &Component) -> Judgement {
    let seen: Vec<_> = component
        .endpoints
        .iter()
        .map(|configured| format!("{} ({})", configured.endpoint, configured.configured_by))
        .collect();
    let judgement = if component.unreadable.is_empty() {
        Judgement::pass(seen.join(", "))
    } else {
        let judgement = Judgement::unknown(component.unreadable.join("; "));
        let is_forbidden = |why: &String| why.contains(&Unreadable::Forbidden.to_string());
        let judgement = if component.unreadable.iter().any(is_forbidden) {
            judgement.fix(fixes::grant())
        } else {
            judgement.fix(Fix::text(CHECK.remediation))
        };
        Judgement { observed: seen.join(", "), ..judgement }
    };
    judgement
        .evidence(json!({ "endpoints": seen, "unreadable": component.unreadable, "notes": component.notes }))
}
