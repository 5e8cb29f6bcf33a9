//! What is known of Cast AI's components, as values: from the built-in records, and from the user's `--knowledge` file.
//! Both have this schema.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::image::Image;

/// One component, or a user's additions. The default is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Knowledge {
    /// The component's name, usually that of its chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// What it does, in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How well it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is unknown about it, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Namespaces that only Cast AI uses: every workload in them is included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Repository prefixes that are Cast AI's own, in whole path segments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_prefixes: Vec<String>,
    /// Repositories that the component uses: a name in the mirror may be translated back to these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Those of `repositories` that no running workload shows, with what uses each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hidden_images: BTreeMap<String, String>,
    /// Charts whose workloads and releases are included as a whole; also charts with such a name followed by a hyphen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// Chart values that set repositories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chart_values: Vec<ChartValue>,
    /// Labels of workloads that are included as a whole.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Workloads of the component whose labels and images do not identify it: kind and a part of the name, such as
    /// `Deployment/castai-agent-cpvpa`. The name alone is not enough to include one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
    /// Labels that the component sets on pods that it starts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub started_labels: BTreeMap<String, String>,
    /// Name prefixes of containers that the component injects into other pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_containers: Vec<String>,
    /// Variables of Cast AI's containers whose value is an image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Variables with similar names that hold something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_variables: Vec<OtherVariable>,
    /// Images that the component names by itself at run time. Only the plugin's own records may have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub derived_images: Vec<DerivedImage>,
    /// Custom resources whose fields hold images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<CustomResource>,
    /// Third-party workloads that the component patches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<PatchedWorkload>,
    /// Workloads that upgrade Helm releases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upgraders: Vec<Upgrader>,
    /// Beginnings of the names of field managers, and whose each is. Only the plugin's own records may have them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub field_managers: BTreeMap<String, String>,
    /// Prefixes or suffixes of workload names, with their position in the rollout: higher numbers are later, and all of
    /// them come after workloads that are not listed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rollout_order: BTreeMap<String, u8>,
    /// Variables that hold an endpoint, with its protocol.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_variables: BTreeMap<String, Protocol>,
    /// Files that hold an endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoint_files: Vec<EndpointFile>,
    /// Endpoints that the component derives from another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub derived_endpoints: Vec<DerivedEndpoint>,
    /// Additional images to include.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

impl Knowledge {
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// The source of the knowledge, most reliable first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Evidence {
    /// Program and chart are public, and were read.
    Source,
    /// The chart was read or rendered; the program is not public.
    Chart,
    /// Neither is public: other projects and documents mention it.
    Documents,
}

/// The protocol of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    Https,
    Grpc,
}

/// A chart value that sets the repository of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartValue {
    pub chart: String,
    /// The last segment of the image's repository, because Cast AI publishes images in several registries; `*` for all
    /// images of the chart.
    pub image: String,
    /// The value as a dotted path.
    pub key: String,
    #[serde(default, skip_serializing_if = "Form::is_default")]
    pub form: Form,
    /// The first chart version that is known to prepend `global.registry` to this image. Older ones may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_since: Option<String>,
}

/// The part of a repository that a value holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Form {
    #[default]
    Repository,
    /// The repository without `-agent` or `-controller`, which the chart appends.
    Stem,
    /// Everything before the last slash.
    Registry,
}

impl Form {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A variable that is named like one with an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OtherVariable {
    pub name: String,
    /// What it holds instead; `None` if its value already shows that it is not an image, such as a bare tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An image whose name a component derives from one of its own: the same version, with a part of the name replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DerivedImage {
    /// The last segment of the repository that it is derived from.
    pub from: String,
    /// The last segment of its own repository.
    pub name: String,
    /// The text that the component replaces: its first occurrence in the whole reference.
    pub replaces: String,
    pub with: String,
    /// The variable that sets the image explicitly.
    pub variable: String,
    /// The chart with a value for that variable, and the value's path.
    pub chart: String,
    pub key: String,
}

/// A kind of custom resource, and its fields that hold images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomResource {
    pub group: String,
    pub kind: String,
    /// Parts of the object to search, as JSON pointers.
    pub fields: Vec<String>,
    /// Why it is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Why its images are mirrored but not rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_rewritable: Option<String>,
    /// The field with the chart that its controller installs, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installs: Option<String>,
    /// What a change of such an object requires, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_change: Option<String>,
    /// The field that is `true` if changes are rejected, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly: Option<String>,
}

/// A third-party workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchedWorkload {
    pub namespace: String,
    /// Kind and name, as in manifests: `DaemonSet/aws-node`.
    pub workload: String,
}

/// A workload that upgrades Helm releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Upgrader {
    /// Kind, as in manifests, and a part of the name: `CronJob/chart-upgrader`.
    pub workload: String,
    /// Charts whose releases it upgrades; also charts with such a name followed by a hyphen.
    pub charts: Vec<String>,
    /// How and when it reverts a rewritten image.
    pub reverts: String,
}

/// A file of a pod that holds an endpoint: one key of a `ConfigMap` or Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndpointFile {
    /// The last segment of the repository of the image that reads it.
    pub image: String,
    /// The key in the object, which is the file's name.
    pub key: String,
    /// Position of the endpoint in the YAML, as a JSON pointer.
    pub pointer: String,
    pub protocol: Protocol,
}

/// An endpoint that a component derives from the host in one of its variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DerivedEndpoint {
    /// The last segments of the repositories of the images that do so.
    pub images: Vec<String>,
    /// The variable with the original host.
    pub from: String,
    pub protocol: Protocol,
    /// Variables that set the endpoint explicitly, each with the value that means "derive it".
    #[serde(default)]
    pub unless: BTreeMap<String, String>,
    /// Hosts with their derived hosts.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// The rule for all other hosts; `None` if no endpoint is derived from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<HostRule>,
}

/// A rule that replaces the prefix of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostRule {
    pub begins: String,
    /// The required suffix of the host.
    #[serde(default)]
    pub ends: String,
    pub becomes: String,
}
