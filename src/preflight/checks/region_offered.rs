//! CPL105: Cast AI offers endpoint services in the region.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL105",
    title: "Cast AI offers endpoint services in the region",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &["CPL104"],
    place: Place::Here,
    permissions: &[],
    explanation: "Interface endpoints are made for a service of their own region. The built-in table may lag behind Cast AI.",
    remedy: "ask Cast AI for the endpoint services of this region",
};
