//! Who will put other images back, and when: pure, from what owners leave on the objects they own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::castai::components;
use crate::cluster::custom::Resource;
use crate::model::field_manager::FieldManager;
use crate::model::inventory::{Carrier, WorkloadKind};
use crate::model::owner::Owner;
use crate::model::record::Records;
use crate::model::workload::Workload;
use crate::ownership::claims;

/// What else in the cluster tells about owners.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Components that castware-operator installs.
    components: BTreeSet<String>,
    /// Whether castai-chart-upgrader runs.
    chart_upgrader: bool,
    /// Argo CD's applications by name, and whether each heals itself. Of those that are not here it is not known.
    pub applications: BTreeMap<String, bool>,
    /// Flux's Helm releases by namespace and name, and whether each corrects drift. Of others it is not known.
    pub releases: BTreeMap<String, bool>,
}

impl Surroundings {
    pub fn of(workloads: &[Workload], resources: &[Resource]) -> Self {
        let components = resources.iter().filter(|resource| resource.definition.kind == "Component");
        let component = |resource: &Resource| {
            let named = resource.content.pointer("/spec/component").and_then(serde_json::Value::as_str);
            named.unwrap_or(&resource.name).to_owned()
        };
        let is_upgrader = |workload: &Workload| {
            workload.name.kind == WorkloadKind::CronJob && workload.name.name.contains("chart-upgrader")
        };
        Self {
            components: components.map(component).collect(),
            chart_upgrader: workloads.iter().any(is_upgrader),
            applications: BTreeMap::new(),
            releases: BTreeMap::new(),
        }
    }
}

/// The Argo CD application that a workload belongs to (argo-cd `docs/user-guide/resource_tracking.md`): by the annotation,
/// by a label of Argo CD's own, or by the label that it shares with Helm until 3.0, where it is among the managers.
pub fn application(workload: &Workload) -> Option<&str> {
    let label = |name: &str| workload.labels.get(name).map(String::as_str);
    let tracked = workload.annotations.get("argocd.argoproj.io/tracking-id");
    let tracked = tracked.and_then(|id| id.split(':').next());
    let writes = || workload.managers.iter().any(|manager| manager.name.starts_with("argocd"));
    tracked
        .or_else(|| label("argocd.argoproj.io/instance"))
        .or_else(|| label("app.kubernetes.io/instance").filter(|_| writes()))
}

/// The Flux `HelmRelease` that a workload belongs to, by namespace and name: helm-controller's labels.
pub fn flux_release(workload: &Workload) -> Option<String> {
    let label = |name: &str| workload.labels.get(name);
    let name = label("helm.toolkit.fluxcd.io/name")?;
    let namespace = label("helm.toolkit.fluxcd.io/namespace").unwrap_or(&workload.name.namespace);
    Some(format!("{namespace}/{name}"))
}

/// All owners of `workload`, those that act soonest first.
pub fn owners(workload: &Workload, around: &Surroundings) -> Vec<Owner> {
    let label = |name: &str| workload.labels.get(name).map(String::as_str);
    let annotation = |name: &str| workload.annotations.get(name).map(String::as_str);
    let mut owners = Vec::new();
    let mut add = |name: String, reverts: &str, heals: bool| {
        owners.push(Owner { name, reverts: reverts.to_owned(), heals });
    };
    if let Some(application) = application(workload) {
        let (reverts, heals) = match around.applications.get(application) {
            Some(true) => ("puts its own image back within minutes, since it heals itself", true),
            Some(false) => ("puts its own image back at its next sync", false),
            None => ("puts its own image back within minutes if it heals itself, which is not known", true),
        };
        add(format!("Argo CD application {application}"), reverts, heals);
    }
    // Flux: kustomize-controller's labels, and its two ways to leave an object alone.
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        let is =
            |name: &str, value: &str| annotation(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let is_left = is("kustomize.toolkit.fluxcd.io/reconcile", "disabled")
            || is("kustomize.toolkit.fluxcd.io/ssa", "Ignore")
            || is("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent");
        if !is_left {
            add(format!("Flux Kustomization {name}"), "puts its own image back within minutes", true);
        }
    }
    if let Some(release) = flux_release(workload) {
        let (reverts, heals) = match around.releases.get(&release) {
            Some(true) => ("puts its own image back within minutes, since it detects drift", true),
            Some(false) => ("puts its own image back at its next upgrade", false),
            None => (
                "puts its own image back at its next upgrade, or within minutes with driftDetection, which is not known",
                false,
            ),
        };
        add(format!("Flux HelmRelease {release}"), reverts, heals);
    } else if let Some(release) = annotation("meta.helm.sh/release-name") {
        helm(workload, release, around, &mut add);
    }
    // hashicorp/kubernetes: the default `field_manager` of its manifests, and the name of its typed resources.
    let is_terraform = |manager: &FieldManager| manager.name == "Terraform" || manager.name == "HashiCorp";
    if workload.managers.iter().any(is_terraform) {
        add("Terraform".to_owned(), "puts its own image back when it is applied", false);
    }
    let is_applied = workload.managers.iter().any(|manager| manager.name == "kubectl" && manager.applies);
    // Argo CD applies as kubectl does, and leaves the same annotation.
    let is_annotated = annotation("kubectl.kubernetes.io/last-applied-configuration").is_some();
    if is_applied || is_annotated && application(workload).is_none() {
        let reverts = "puts its own image back when the manifest is applied again";
        add("kubectl apply".to_owned(), reverts, false);
    }
    if let Some(owner) = &workload.owner {
        let name = format!("{}/{} ({})", owner.kind, owner.name, owner.api_version);
        add(name, "controls this object, and may put its own image back at any time", false);
    }
    owners
}

/// Those who upgrade a Helm release.
fn helm(workload: &Workload, release: &str, around: &Surroundings, add: &mut impl FnMut(String, &str, bool)) {
    let chart = workload.labels.get("helm.sh/chart").map(String::as_str).unwrap_or_default();
    let names = [release, components::chart_name(chart)];
    let is_of = |component: &&String| names.iter().any(|name| components::installs(component, name));
    if let Some(component) = around.components.iter().find(is_of) {
        let reverts = "puts its own image back when the Component's version or values change";
        add(format!("castware-operator component {component}"), reverts, false);
    }
    if around.chart_upgrader && chart.starts_with("castai-") {
        add("castai-chart-upgrader".to_owned(), "puts the chart's image back, once a day", false);
    }
    let mut names = workload.managers.iter().map(|manager| manager.name.as_str());
    if names.any(|name| name.starts_with("terraform-provider-helm")) {
        let reverts = "puts the chart's image back when its values or version change";
        add(format!("Terraform's Helm release {release}"), reverts, false);
        return;
    }
    // Helm 4 applies on the server's side and does not force conflicts; Helm 3 merges, and knows none. Where our claim
    // was released, nothing refuses Helm 4 either.
    let applies = workload.managers.iter().any(|manager| manager.name == "helm" && manager.applies);
    let was_released =
        !Records::read(&workload.annotations).is_empty() && !workload.managers.iter().any(claims_images);
    let reverts = if applies && !was_released {
        "fails at its next upgrade, unless its values name the same image: `conflict with \"kubectl-castai_privatelink\"`"
    } else {
        "puts the chart's image back at its next upgrade, unless its values name the same image"
    };
    add(format!("Helm release {release}"), reverts, false);
}

/// Whether an entry of ours claims an image, and not only our record.
fn claims_images(manager: &FieldManager) -> bool {
    claims::is_ours(manager) && !manager.carriers.is_empty()
}

/// Who changed an image last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedBy {
    /// As the API server has it.
    pub manager: String,
    /// Who that is, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The manager that `carrier` belongs to; the latest where several claim it.
pub fn changed_by(workload: &Workload, carrier: &Carrier) -> Option<ChangedBy> {
    let claiming = workload.managers.iter().filter(|manager| manager.carriers.contains(carrier));
    let latest = claiming.max_by_key(|manager| manager.time)?;
    Some(ChangedBy { manager: latest.name.clone(), who: known_manager(&latest.name), at: latest.time })
}

/// Who stands behind a field manager's name. Those who use Helm's or kubectl's libraries are named after their binary.
pub fn known_manager(name: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("helm-controller", "Flux"),
        ("helm", "Helm"),
        ("terraform-provider-helm", "Terraform's Helm provider"),
        ("Terraform", "Terraform"),
        ("HashiCorp", "Terraform"),
        ("argocd", "Argo CD"),
        ("kustomize-controller", "Flux"),
        ("castware-operator", "Cast AI's operator"),
        ("castai-cluster-controller", "Cast AI's remote upgrade"),
        ("castctl", "Cast AI's castctl"),
        ("kubectl-client-side-apply", "kubectl apply"),
        ("kubectl-set", "kubectl set image"),
        ("kubectl-edit", "kubectl edit"),
        ("kubectl-patch", "kubectl patch"),
        ("kubectl-replace", "kubectl replace"),
        ("kubectl-rollout", "kubectl rollout undo"),
        ("kubectl-castai_privatelink", "this plugin"),
        ("kubectl", "kubectl"),
    ];
    KNOWN.iter().find(|(start, _)| name.starts_with(start)).map(|(_, who)| *who)
}

#[cfg(test)]
mod tests;
