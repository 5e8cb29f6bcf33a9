//! The kinds of workloads, with what all objects of a kind have in common.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum WorkloadKind {
    Deployment,
    DaemonSet,
    StatefulSet,
    ReplicaSet,
    ReplicationController,
    CronJob,
    Job,
    Pod,
}

impl WorkloadKind {
    pub const ALL: [Self; 8] = [
        Self::Deployment,
        Self::DaemonSet,
        Self::StatefulSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::CronJob,
        Self::Job,
        Self::Pod,
    ];

    /// The kind as manifests spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::StatefulSet => "StatefulSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
            Self::Pod => "Pod",
        }
    }

    /// kubectl's name of the resource before a slash and a name: `deployment.apps`, `pod`.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployment.apps",
            Self::DaemonSet => "daemonset.apps",
            Self::StatefulSet => "statefulset.apps",
            Self::ReplicaSet => "replicaset.apps",
            Self::ReplicationController => "replicationcontroller",
            Self::CronJob => "cronjob.batch",
            Self::Job => "job.batch",
            Self::Pod => "pod",
        }
    }

    /// JSON pointer to the pod template in an object of this kind. A pod is its own template.
    pub const fn pod_template_pointer(self) -> &'static str {
        match self {
            Self::Pod => "",
            Self::CronJob => "/spec/jobTemplate/spec/template",
            _ => "/spec/template",
        }
    }

    /// The API group of this kind; empty for the core group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Pod | Self::ReplicationController => "",
            Self::CronJob | Self::Job => "batch",
            _ => "apps",
        }
    }
}
