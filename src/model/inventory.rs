//! The inventory: every image that Cast AI needs, every place that carries it, and why it was taken.
//!
//! It comes from clusters and files alone and needs no registry, so that it can be made where only the cluster is
//! reachable.

mod reason;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::reason::Reason;
use crate::castai::knowledge::Knowledge;
use crate::model::image::Image;
use crate::model::origin::Origin;

/// Version of the three values that machines hand to each other.
pub const API_VERSION: &str = "privatelink.cast.ai/v1alpha1";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    pub api_version: String,
    pub kind: InventoryKind,
    pub created: Timestamp,
    pub clusters: Vec<Cluster>,
    /// Ordered by name as written; each with every place that carries it.
    pub images: Vec<WantedImage>,
    /// What could not be looked at, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed, such as `daemonsets.apps`: images may be missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// What the user added to what we know of Cast AI: names in the mirror are read back by it too.
    #[serde(default, skip_serializing_if = "Knowledge::is_empty")]
    pub knowledge: Knowledge,
    /// Made for people alone, where they ask for it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// What was looked at, and what of it was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// One line for each place where images were looked for.
    pub looked_at: Vec<String>,
    pub left_out: Vec<LeftOut>,
}

/// Something that was looked at and not taken, although it could be taken for Cast AI's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    pub place: Place,
    /// Absent where the whole object was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Carrier>,
    /// As written, where it can be an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub why: String,
}

/// The `kind` field of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InventoryKind {
    Inventory,
}

/// A cluster, as far as naming and mirroring need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The kubeconfig's context, or the EKS name where there is none.
    pub name: String,
    /// AWS account that the nodes or the EKS ARN belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Platforms of the nodes, such as `linux/arm64`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedImage {
    pub image: Image,
    /// The public image behind a private name, as far as our records or the naming rules tell without a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Where the name comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub used_by: Vec<Use>,
}

/// One place that carries an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    pub place: Place,
    pub carrier: Carrier,
    pub reason: Reason,
    /// What our annotation says was here before, if it speaks of this carrier and this image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_source: Option<Image>,
    /// Why the image cannot be rewritten in place; absent where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

impl Use {
    /// Whether this is the container whose image `derived` is derived from.
    pub fn contains_source_of(&self, derived: &Self) -> bool {
        let Carrier::Derived { container, .. } = &derived.carrier else {
            return false;
        };
        let (Carrier::Container(name) | Carrier::InitContainer(name) | Carrier::EphemeralContainer(name)) =
            &self.carrier
        else {
            return false;
        };
        self.place == derived.place && name == container
    }
}

/// The object or file that an image was found in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Place {
    #[serde(rename_all = "camelCase")]
    Workload(WorkloadName),
    #[serde(rename_all = "camelCase")]
    File {
        path: String,
        /// `Kind/name` of the manifest in the file.
        manifest: String,
    },
    /// A custom resource of Cast AI's, or one that controls what carries the image.
    #[serde(rename_all = "camelCase")]
    Resource {
        cluster: String,
        namespace: String,
        /// Kind and group as kubectl names them: `component.castware.cast.ai`.
        resource: String,
        name: String,
    },
    /// A manifest that Helm keeps, of an object or of a hook: what it holds comes back at the next upgrade.
    #[serde(rename_all = "camelCase")]
    Release {
        cluster: String,
        namespace: String,
        release: String,
        /// `Kind/name` of the manifest.
        manifest: String,
        hook: bool,
    },
    /// The user named the image.
    #[serde(rename_all = "camelCase")]
    Named,
}

/// A workload of a cluster, named as kubectl names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadName {
    pub cluster: String,
    pub namespace: String,
    pub kind: WorkloadKind,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// The resource as kubectl prints it before a slash and a name: `deployment.apps`, `pod`.
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
}

impl fmt::Display for WorkloadName {
    /// `deployment.apps/castai-agent`, as kubectl names what it changes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.resource(), self.name)
    }
}

/// The field of an object that carries an image. Keyed by names and never by an index, because indices move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    Container(String),
    InitContainer(String),
    EphemeralContainer(String),
    /// A variable of a container whose value is an image.
    Environment {
        container: String,
        variable: String,
    },
    /// No field of its own: the component derives it from the image of `container`.
    Derived {
        container: String,
        component: String,
    },
    /// A field of a custom resource, or an object with `repository` and `tag`, by its JSON pointer.
    Field(String),
    /// None: the user named the image.
    Named,
}

impl Carrier {
    /// Whether there is a field that a patch can set.
    pub const fn is_field(&self) -> bool {
        !matches!(self, Self::Derived { .. } | Self::Named)
    }

    /// The container that it belongs to.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) | Self::InitContainer(name) | Self::EphemeralContainer(name) => Some(name),
            Self::Environment { container, .. } | Self::Derived { container, .. } => Some(container),
            Self::Field(_) | Self::Named => None,
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => write!(formatter, "container/{name}"),
            Self::InitContainer(name) => write!(formatter, "init/{name}"),
            Self::EphemeralContainer(name) => write!(formatter, "ephemeral/{name}"),
            Self::Environment { container, variable } => write!(formatter, "env/{container}/{variable}"),
            Self::Derived { container, component } => write!(formatter, "derived/{container}/{component}"),
            Self::Field(pointer) => write!(formatter, "field{pointer}"),
            Self::Named => formatter.write_str("named"),
        }
    }
}

/// The text names no carrier.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown carrier {0:?}: expected container/NAME, init/NAME, ephemeral/NAME, env/CONTAINER/VARIABLE, derived/CONTAINER/COMPONENT, field/POINTER or named"
)]
pub struct UnknownCarrier(String);

impl FromStr for Carrier {
    type Err = UnknownCarrier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(pointer) = text.strip_prefix("field").filter(|pointer| pointer.starts_with('/')) {
            return Ok(Self::Field(pointer.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["named"] => Ok(Self::Named),
            ["container", name] => Ok(Self::Container((*name).to_owned())),
            ["init", name] => Ok(Self::InitContainer((*name).to_owned())),
            ["ephemeral", name] => Ok(Self::EphemeralContainer((*name).to_owned())),
            ["env", container, variable] => {
                Ok(Self::Environment { container: (*container).to_owned(), variable: (*variable).to_owned() })
            }
            ["derived", container, component] => {
                Ok(Self::Derived { container: (*container).to_owned(), component: (*component).to_owned() })
            }
            _ => Err(UnknownCarrier(text.to_owned())),
        }
    }
}

impl Serialize for Carrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Carrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_are_written_and_read_by_name() {
        for text in [
            "container/agent",
            "init/gpu",
            "ephemeral/debug",
            "env/controller/SCANNERS_IMAGE",
            "derived/controller/kvisor-scanners",
            "field/spec/values/sub~1chart/image",
            "named",
        ] {
            assert_eq!(text.parse::<Carrier>().unwrap().to_string(), text);
        }
        for text in ["agent", "container", "container/a/b", "env/x", "field", "fieldx/y", ""] {
            assert!(text.parse::<Carrier>().is_err(), "{text}");
        }
    }
}
