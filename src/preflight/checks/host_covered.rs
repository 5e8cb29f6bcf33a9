//! CPL201: an endpoint service covers the configured host.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL201",
    title: "an endpoint service covers the configured host",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &["CPL103"],
    place: Place::KubernetesApi,
    permissions: &[],
    explanation: "A host that none of Cast AI's endpoint services stands for is reached through the internet or not at all.",
    remedy: "configure the component with a host that an endpoint service covers",
};
