//! CPL103: a component's endpoints can be read.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL103",
    title: "a component's endpoints can be read",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &["CPL101"],
    place: Place::KubernetesApi,
    permissions: &["get configmaps", "get secrets"],
    explanation: "Components carry their endpoints as literal variables or take them from ConfigMaps and Secrets. A value that cannot be read leaves open which host the component calls.",
    remedy: "create the ConfigMap or Secret that the component refers to, or correct the value",
};
