//! Why images are included, for people and machines.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::image::Image;

/// Why an image is included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "rule")]
pub enum Reason {
    /// The workload is in a namespace of Cast AI.
    #[serde(rename_all = "camelCase")]
    Namespace { namespace: String },
    /// The image has a prefix of Cast AI, as written or after a mirror's name.
    #[serde(rename_all = "camelCase")]
    ImagePrefix { prefix: String },
    /// The user says what this private name was mirrored from: `PRIVATE=PUBLIC`.
    #[serde(rename_all = "camelCase")]
    Mapped { map: String },
    /// A component of Cast AI patches this third-party workload, and the image has a prefix of Cast AI.
    #[serde(rename_all = "camelCase")]
    PatchedBy { component: String, prefix: String },
    /// The workload's `helm.sh/chart` label names a Cast AI chart.
    #[serde(rename_all = "camelCase")]
    Chart { chart: String },
    /// A component of Cast AI has a workload of this name, and `evidence` shows that this one belongs to it.
    #[serde(rename_all = "camelCase")]
    Component { component: String, evidence: String },
    /// The workload has a label that the user specified.
    #[serde(rename_all = "camelCase")]
    Label { label: String },
    /// According to our annotation, this image was rewritten.
    Annotation,
    /// A component of Cast AI derives it from another image at run time.
    #[serde(rename_all = "camelCase")]
    Derived { from: Image },
    /// A variable that a component of Cast AI reads an image from.
    #[serde(rename_all = "camelCase")]
    Variable { variable: String },
    /// A custom resource of Cast AI.
    #[serde(rename_all = "camelCase")]
    Resource { resource: String },
    /// A Helm release of a Cast AI chart: all its images are included, with those of hooks.
    #[serde(rename_all = "camelCase")]
    Release { chart: String, hook: bool },
    /// A file given with -f: all its images are included.
    #[serde(rename_all = "camelCase")]
    File {
        path: String,
        /// A Helm hook, which no release contains before the installation.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hook: bool,
    },
    /// A pod that Cast AI started or changed cannot pull it.
    #[serde(rename_all = "camelCase")]
    FailingPod {
        /// If several pods of a controller fail, the first by name.
        pod: String,
        /// Kubernetes' reason: `ImagePullBackOff`.
        waiting: String,
        /// What identifies it as Cast AI's.
        matched_by: String,
    },
    /// The user named the image.
    Named,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace { namespace } => write!(formatter, "in Cast AI namespace {namespace}"),
            Self::ImagePrefix { prefix } => write!(formatter, "Cast AI image prefix {prefix}"),
            Self::Mapped { map } => write!(formatter, "named by --map {map}"),
            Self::PatchedBy { component, prefix } => {
                write!(formatter, "patched by {component}: Cast AI image prefix {prefix}")
            }
            Self::Chart { chart } => write!(formatter, "chart {chart}"),
            Self::Component { component, evidence } => write!(formatter, "part of {component}: {evidence}"),
            Self::Label { label } => write!(formatter, "label {label}"),
            Self::Annotation => formatter.write_str("rewritten before"),
            Self::Derived { from } => write!(formatter, "derived from {from}"),
            Self::Variable { variable } => write!(formatter, "read from variable {variable}"),
            Self::Resource { resource } => write!(formatter, "in a {resource}"),
            Self::Release { chart, hook: false } => write!(formatter, "in the Helm release of {chart}"),
            Self::Release { chart, hook: true } => write!(formatter, "hook of {chart}"),
            Self::File { path, hook } => {
                let part = if *hook { "hook in" } else { "in" };
                match path.as_str() {
                    "-" => write!(formatter, "{part} the standard input"),
                    path => write!(formatter, "{part} file {path}"),
                }
            }
            Self::FailingPod { pod, waiting, matched_by } => {
                write!(formatter, "pod {pod} cannot pull it ({waiting}); {matched_by}")
            }
            Self::Named => formatter.write_str("named by --include-image or --knowledge"),
        }
    }
}
