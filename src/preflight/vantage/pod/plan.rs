//! What a run of probe pods will do, before it does it: the question that a user answers is made of this.

use super::image;
use super::placement::{Placement, place};
use crate::model::image::Mirror;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::preflight::configured;
use crate::preflight::fixes;
use crate::preflight::judgement::Fix;
use crate::preflight::pods::PodSettings;
use crate::preflight::probe_image::{self, ProbeImage};
use crate::preflight::settings::Inputs;

/// The namespace of Cast AI's components before the first one is installed.
const NAMESPACE: &str = "castai-agent";

/// A run of probe pods.
#[derive(Clone, Debug, PartialEq)]
pub struct PodPlan {
    pub placement: Placement,
    pub namespace: String,
    /// The workload whose service account, labels and pull secrets the pods get.
    pub component: Option<WorkloadName>,
    pub service_account: Option<String>,
    pub image: ImageSource,
}

/// Where the probe image comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// The user mirrored it.
    Given(String),
    Pushed {
        image: ProbeImage,
        mirror: Mirror,
    },
}

impl ImageSource {
    /// What the pods run.
    pub fn reference(&self) -> String {
        match self {
            Self::Given(reference) => reference.clone(),
            Self::Pushed { image, mirror } => image::reference(mirror, image),
        }
    }

    /// The bytes that are pushed, if the registry has none of them.
    pub fn size(&self) -> u64 {
        let Self::Pushed { image, .. } = self else { return 0 };
        let blobs = image.blobs.iter().chain(&image.manifests).chain([&image.index]);
        blobs.map(|blob| u64::try_from(blob.bytes.len()).unwrap_or_default()).sum()
    }
}

/// Why pods cannot run, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPossible {
    pub why: String,
    pub fix: Option<Fix>,
}

impl NotPossible {
    fn new(why: impl Into<String>, fix: Option<Fix>) -> Self {
        Self { why: why.into(), fix }
    }
}

/// Plans the pods.
///
/// # Errors
/// No pod can run.
pub fn plan(inputs: &Inputs, settings: &PodSettings) -> Result<PodPlan, NotPossible> {
    let Some(pods) = &inputs.pods else { return Err(NotPossible::new("cannot reach the cluster", None)) };
    if let Err(why) = &inputs.nodes {
        return Err(NotPossible::new(why.clone(), Some(fixes::grant())));
    }
    let placement = place(&pods.nodes, &pods.subnets, &settings.nodes);
    if placement.pods.is_empty() {
        let nodes: Vec<_> = placement
            .left_out
            .iter()
            .map(|left_out| format!("{}: {}", left_out.node, left_out.why))
            .collect();
        let why = if nodes.is_empty() { "the cluster has no nodes".to_owned() } else { nodes.join("; ") };
        return Err(NotPossible::new(format!("no node can run a probe pod: {why}"), None));
    }
    let components = configured::components(&inputs.workloads, inputs.known());
    let workload = components.into_iter().min_by_key(|workload| rank(&workload.name));
    let service_account = workload.and_then(|workload| workload.pod.spec.service_account_name.clone());
    let component = workload.map(|workload| workload.name.clone());
    let namespace = component
        .as_ref()
        .map(|name| name.namespace.clone())
        .or_else(|| pods.namespace.clone())
        .unwrap_or_else(|| NAMESPACE.to_owned());
    let image = match &settings.image {
        Some(reference) => ImageSource::Given(reference.clone()),
        None => pushed(pods.mirror.as_ref().map_err(String::as_str))?,
    };
    Ok(PodPlan { placement, namespace, component, service_account, image })
}

fn pushed(mirror: Result<&Mirror, &str>) -> Result<ImageSource, NotPossible> {
    let fix = || {
        Some(Fix::text(
            "mirror the probe image yourself, and name it with --probe-image=REGISTRY/NAME@DIGEST",
        ))
    };
    let image = probe_image::embedded()
        .ok_or_else(|| NotPossible::new("this build of the plugin contains no probe image", fix()))?;
    let mirror = mirror.map_err(|why| NotPossible::new(why, fix()))?;
    Ok(ImageSource::Pushed { image, mirror: mirror.clone() })
}

/// The agent comes first, because it connects to Cast AI in every installation; then workloads with pods on the cluster's
/// network, which daemon sets may not use.
fn rank(name: &WorkloadName) -> (bool, u8, String, String) {
    let kind = match name.kind {
        WorkloadKind::Deployment => 0,
        WorkloadKind::StatefulSet | WorkloadKind::ReplicaSet => 1,
        WorkloadKind::DaemonSet => 2,
        _ => 3,
    };
    (name.name != NAMESPACE, kind, name.namespace.clone(), name.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_lends_its_identity_before_other_workloads() {
        let name = |kind, namespace: &str, name: &str| WorkloadName {
            cluster: "c".to_owned(),
            namespace: namespace.to_owned(),
            kind,
            name: name.to_owned(),
        };
        let mut names = [
            name(WorkloadKind::Job, "a", "a"),
            name(WorkloadKind::DaemonSet, "castai-agent", "castai-spot-handler"),
            name(WorkloadKind::Deployment, "castai-agent", "castai-evictor"),
            name(WorkloadKind::Deployment, "castai-agent", "castai-agent"),
            name(WorkloadKind::Deployment, "b", "a"),
        ];
        names.sort_by_key(rank);
        let names: Vec<_> = names.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["castai-agent", "a", "castai-evictor", "castai-spot-handler", "a"]);
    }

    #[test]
    fn a_build_without_probe_needs_the_users_image() {
        if probe_image::embedded().is_none() {
            let mirror: Mirror = "registry.example/x".parse().unwrap();
            let error = pushed(Ok(&mirror)).unwrap_err();
            assert_eq!(error.why, "this build of the plugin contains no probe image");
            assert!(error.fix.unwrap().text.contains("--probe-image"));
        }
        assert_eq!(ImageSource::Given("r/x@sha256:0".to_owned()).reference(), "r/x@sha256:0");
    }
}
