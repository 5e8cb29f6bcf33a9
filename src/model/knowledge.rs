//! What is known of Cast AI's components, as values: of the records that this version is built with, and of a file that
//! a user gives with `--knowledge`. Both have this one schema.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::image::Image;

/// One component, or what a user adds to what we know. The default says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Knowledge {
    /// What the component is called: mostly as its chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// What it does, in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How well it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is not known of it, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Namespaces that hold Cast AI alone: every workload in them is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Beginnings of repositories that are Cast AI's own, in whole path segments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_prefixes: Vec<String>,
    /// Repositories that the component uses: a name in the mirror may be read back to one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Those of `repositories` that no running workload shows, and what uses each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hidden_images: BTreeMap<String, String>,
    /// Charts whose workloads and releases are taken whole; also those whose names go on after a hyphen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// Values of charts that name repositories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chart_values: Vec<ChartValue>,
    /// Labels of workloads that are taken whole.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Labels that the component gives to the pods that it starts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub started_labels: BTreeMap<String, String>,
    /// Beginnings of the names of containers that the component adds to pods of others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_containers: Vec<String>,
    /// Variables of Cast AI's containers whose value is an image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Variables that are named like those, and hold something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_variables: Vec<OtherVariable>,
    /// Images that the component names by itself at run time. Only the plugin's own records may have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub derived_images: Vec<DerivedImage>,
    /// Custom resources whose fields hold images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<CustomResource>,
    /// Workloads of others that the component patches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<PatchedWorkload>,
    /// Workloads that upgrade Helm releases by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upgraders: Vec<Upgrader>,
    /// Beginnings of the names of field managers, and whose each is. Only the plugin's own records may have them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub field_managers: BTreeMap<String, String>,
    /// Names that workloads begin or end with, and how late these are rolled out: the highest number last, and all of
    /// them after those that are not listed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rollout_order: BTreeMap<String, u8>,
    /// Variables that hold an endpoint, and the protocol that is spoken with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_variables: BTreeMap<String, Protocol>,
    /// Files that hold an endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoint_files: Vec<EndpointFile>,
    /// Endpoints that the component makes out of another one.
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

/// What knowledge of a component comes from, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Evidence {
    /// Its program and its chart are public, and were read.
    Source,
    /// Its chart was read or rendered; its program is not public.
    Chart,
    /// Neither is public: what other projects and documents say.
    Documents,
}

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    Https,
    Grpc,
}

/// A value of a chart that names the repository of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartValue {
    pub chart: String,
    /// The last part of the image's repository, because Cast AI publishes one image in several registries; `*` for all
    /// images of the chart.
    pub image: String,
    /// The value's path, with dots between the members.
    pub key: String,
    #[serde(default, skip_serializing_if = "Form::is_default")]
    pub form: Form,
    /// The first version of the chart that was seen to put `global.registry` before this image. Older ones may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_since: Option<String>,
}

/// What of a repository a value holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Form {
    #[default]
    Repository,
    /// Without `-agent` or `-controller`, which the chart appends.
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
    /// What it holds instead; absent where its value shows that it is no image, such as a bare tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An image that a component names after one of its own: with the same version, and a part of the name replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DerivedImage {
    /// The last part of the repository that it is named after.
    pub from: String,
    /// The last part of its own repository.
    pub name: String,
    /// What the component replaces, the first time that it finds it in the whole reference.
    pub replaces: String,
    pub with: String,
    /// The variable that names the image instead, where it is set.
    pub variable: String,
    /// The chart that takes that variable as a value, and the value's path.
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
    /// Members of the object that are searched, as JSON pointers.
    pub fields: Vec<String>,
    /// What it is listed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Why its images are mirrored, but not rewritten there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_rewritable: Option<String>,
    /// The field that names the chart, where its controller installs one, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installs: Option<String>,
}

/// A workload that belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchedWorkload {
    pub namespace: String,
    /// As manifests write its kind and name: `DaemonSet/aws-node`.
    pub workload: String,
}

/// A workload that upgrades Helm releases by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Upgrader {
    /// As manifests write its kind, and a part of its name: `CronJob/chart-upgrader`.
    pub workload: String,
    /// Charts whose releases it upgrades; also those whose names go on after a hyphen.
    pub charts: Vec<String>,
    /// What it does to a rewritten image, and when.
    pub reverts: String,
}

/// A file of a pod that holds an endpoint: one key of a `ConfigMap` or Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndpointFile {
    /// The last part of the repository of the image that reads it.
    pub image: String,
    /// The object's key, which is the file's name.
    pub key: String,
    /// The endpoint's place in the YAML, as a JSON pointer.
    pub pointer: String,
    pub protocol: Protocol,
}

/// An endpoint that a component makes out of the host in one of its variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DerivedEndpoint {
    /// The last parts of the repositories of the images that do so.
    pub images: Vec<String>,
    /// The variable that holds the other host.
    pub from: String,
    pub protocol: Protocol,
    /// Variables that name the endpoint instead, each with the value by which it does not.
    #[serde(default)]
    pub unless: BTreeMap<String, String>,
    /// Hosts, and what each becomes.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// What becomes of all other hosts; without it, no endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<HostRule>,
}

/// A host whose beginning is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostRule {
    pub begins: String,
    /// What the host must end with.
    #[serde(default)]
    pub ends: String,
    pub becomes: String,
}
