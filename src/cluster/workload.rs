//! A workload as it was read: the snapshot that discovery, rewriting and preflight decide on.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;

use crate::sync::inventory::{WorkloadKind, WorkloadName};

/// An object that holds a pod template (or is a pod), with what decisions need of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub name: WorkloadName,
    pub uid: String,
    pub resource_version: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The controller that made this object, if any.
    pub owner: Option<Owner>,
    /// The pod template's spec, or a pod's own.
    pub pod: PodSpec,
}

/// A controlling owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

impl WorkloadKind {
    /// JSON pointer to the pod spec in an object of this kind.
    pub const fn pod_spec_pointer(self) -> &'static str {
        match self {
            Self::Pod => "/spec",
            Self::CronJob => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        }
    }
}
