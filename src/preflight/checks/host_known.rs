//! CPL202: the host of the endpoint service is known.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL202",
    title: "the host of the endpoint service is known",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &[],
    place: Place::AwsApi,
    permissions: &[],
    explanation: "Cast AI publishes no host name for this service. AWS tells the private DNS name to accounts that may use the service.",
    remedy: "ask EC2 for the service's private DNS name",
};
