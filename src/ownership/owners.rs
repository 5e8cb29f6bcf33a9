//! Which owners revert images, and when: pure, from labels, annotations and field managers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::castai::built_in;
use crate::castai::components::chart_name;
use crate::cluster::custom::Resource;
use crate::model::field_manager::FieldManager;
use crate::model::inventory::{ImageField, WorkloadName};
use crate::model::knowledge::{Knowledge, Upgrader};
use crate::model::owner::Owner;
use crate::model::record::Records;
use crate::model::workload::Workload;
use crate::ownership::fields;

/// Cluster objects that identify owners.
#[derive(Clone, Debug, Default)]
pub struct OwnershipContext {
    /// The user's additions to our knowledge of Cast AI.
    knowledge: Knowledge,
    /// Cast AI's controllers that install charts, by the component that each custom resource names.
    installed: BTreeMap<String, Installer>,
    /// Cast AI's components that upgrade Helm releases and run in this cluster.
    upgraders: BTreeMap<String, Upgrader>,
    /// Argo CD's applications by name, and whether each has selfHeal. Unknown if missing.
    pub applications: BTreeMap<String, bool>,
    /// Flux's Helm releases by namespace and name, and whether each corrects drift. Unknown if missing.
    pub releases: BTreeMap<String, bool>,
    /// Workloads whose Helm release sets their private images, so that its next upgrade keeps them.
    pub persisted: BTreeSet<WorkloadName>,
}

/// A controller of Cast AI that installs charts for its custom resources.
#[derive(Clone, Debug)]
struct Installer {
    component: String,
    /// The kind of the custom resources.
    kind: String,
}

impl OwnershipContext {
    pub fn new(workloads: &[Workload], resources: &[Resource], knowledge: &Knowledge) -> Self {
        let installed = |resource: &Resource| {
            let Resource { name, definition, content, .. } = resource;
            let component = knowledge.installer(definition).to_owned();
            let installer = Installer { component, kind: definition.kind.clone() };
            Some((definition.installed(name, content)?.to_owned(), installer))
        };
        let upgrader = |workload: &Workload| {
            let (component, upgrader) =
                knowledge.upgrader(workload.name.kind.as_str(), &workload.name.name)?;
            Some((component.to_owned(), upgrader.clone()))
        };
        Self {
            knowledge: knowledge.clone(),
            installed: resources.iter().filter_map(installed).collect(),
            upgraders: workloads.iter().filter_map(upgrader).collect(),
            applications: BTreeMap::new(),
            releases: BTreeMap::new(),
            persisted: BTreeSet::new(),
        }
    }
}

/// The Argo CD application that a workload belongs to (argo-cd `docs/user-guide/resource_tracking.md`): by its
/// annotation, by its own label, or by the label that it shared with Helm until 3.0 if Argo CD is a field manager.
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

/// All owners of `workload`, sorted by how soon they revert.
pub fn owners(workload: &Workload, context: &OwnershipContext) -> Vec<Owner> {
    let label = |name: &str| workload.labels.get(name).map(String::as_str);
    let annotation = |name: &str| workload.annotations.get(name).map(String::as_str);
    let mut owners = Vec::new();
    let mut add = |name: String, reverts: &str, self_heals: bool| {
        owners.push(Owner { name, reverts: reverts.to_owned(), self_heals });
    };
    if let Some(application) = application(workload) {
        let (reverts, self_heals) = match context.applications.get(application) {
            Some(true) => ("reverts the image within minutes (selfHeal is enabled)", true),
            Some(false) => ("reverts the image at its next sync", false),
            None => ("may revert the image within minutes (cannot read whether selfHeal is enabled)", true),
        };
        add(format!("Argo CD application {application}"), reverts, self_heals);
    }
    // Flux: kustomize-controller's labels, and its two ways to ignore an object.
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        let is =
            |name: &str, value: &str| annotation(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let is_left = is("kustomize.toolkit.fluxcd.io/reconcile", "disabled")
            || is("kustomize.toolkit.fluxcd.io/ssa", "Ignore")
            || is("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent");
        if !is_left {
            add(format!("Flux Kustomization {name}"), "reverts the image within minutes", true);
        }
    }
    if let Some(release) = flux_release(workload) {
        let (reverts, self_heals) = match context.releases.get(&release) {
            Some(true) => ("reverts the image within minutes (driftDetection is enabled)", true),
            Some(false) => ("reverts the image at its next upgrade", false),
            None => (
                "reverts the image at its next upgrade, or within minutes if driftDetection is enabled \
                 (unknown)",
                false,
            ),
        };
        add(format!("Flux HelmRelease {release}"), reverts, self_heals);
    } else if let Some(release) = annotation("meta.helm.sh/release-name") {
        helm(workload, release, context, &mut add);
    }
    // hashicorp/kubernetes: the default `field_manager` of its manifests, and the name of its typed resources.
    let is_terraform = |manager: &FieldManager| manager.name == "Terraform" || manager.name == "HashiCorp";
    if workload.managers.iter().any(is_terraform) {
        add("Terraform".to_owned(), "reverts the image when it is applied", false);
    }
    let is_applied = workload.managers.iter().any(|manager| manager.name == "kubectl" && manager.applies);
    // Argo CD's apply leaves the same annotation as kubectl's.
    let is_annotated = annotation("kubectl.kubernetes.io/last-applied-configuration").is_some();
    if is_applied || is_annotated && application(workload).is_none() {
        let reverts = "reverts the image when the manifest is applied again";
        add("kubectl apply".to_owned(), reverts, false);
    }
    if let Some(owner) = &workload.controller {
        let name = format!("{}/{} ({})", owner.kind, owner.name, owner.api_version);
        add(name, "controls this object, and may revert the image at any time", false);
    }
    owners
}

/// Owners that upgrade a Helm release.
fn helm(
    workload: &Workload,
    release: &str,
    context: &OwnershipContext,
    add: &mut impl FnMut(String, &str, bool),
) {
    let chart = workload.labels.get("helm.sh/chart").map(String::as_str).unwrap_or_default();
    let names = [release, chart_name(chart)];
    let is_of = |component: &str| names.iter().any(|name| context.knowledge.installs(component, name));
    if let Some((name, installer)) = context.installed.iter().find(|(name, _)| is_of(name)) {
        let Installer { component, kind } = installer;
        let reverts = format!("reverts the image when the {kind}'s version or values change");
        add(format!("{component} component {name}"), &reverts, false);
    }
    for (component, upgrader) in context.upgraders.iter().filter(|(_, upgrader)| upgrader.upgrades(chart)) {
        add(component.clone(), &upgrader.reverts, false);
    }
    let mut names = workload.managers.iter().map(|manager| manager.name.as_str());
    if names.any(|name| name.starts_with("terraform-provider-helm")) {
        let reverts = "reverts the image when its values or version change";
        add(format!("Terraform's Helm release {release}"), reverts, false);
        return;
    }
    if context.persisted.contains(&workload.name) {
        return;
    }
    // Helm 4 uses server-side apply and does not force conflicts; Helm 3 merges without regard to ownership. Once our
    // ownership is relinquished, Helm 4 gets no conflict either.
    let applies = workload.managers.iter().any(|manager| manager.name == "helm" && manager.applies);
    let was_released =
        !Records::read(&workload.annotations).is_empty() && !workload.managers.iter().any(owns_images);
    let reverts = if applies && !was_released {
        "fails at its next upgrade with `conflict with \"kubectl-castai_privatelink\"`, unless its values \
         set the same image"
    } else {
        "reverts the image at its next upgrade, unless its values set the same image"
    };
    add(format!("Helm release {release}"), reverts, false);
}

/// Kinds of owners of which a cluster often has several.
const KINDS: [&str; 5] = [
    "Argo CD application",
    "Flux HelmRelease",
    "Flux Kustomization",
    "Helm release",
    "Terraform's Helm release",
];

/// The kind and the name of an owner, if there may be several of its kind.
pub fn kind_and_name(owner: &Owner) -> Option<(&'static str, &str)> {
    KINDS.into_iter().find_map(|kind| {
        let name = owner.name.strip_prefix(kind)?.strip_prefix(' ')?;
        Some((kind, name))
    })
}

/// Whether an entry of ours owns an image, and not only the annotation.
fn owns_images(manager: &FieldManager) -> bool {
    fields::is_ours(manager) && !manager.image_fields.is_empty()
}

/// The last change of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChangedBy {
    /// The field manager's name in the API server.
    pub manager: String,
    /// The tool behind that name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The field manager that owns `image_field`; the latest if there are several.
pub fn changed_by(workload: &Workload, image_field: &ImageField) -> Option<ChangedBy> {
    let field_owners = workload.managers.iter().filter(|manager| manager.image_fields.contains(image_field));
    let latest = field_owners.max_by_key(|manager| manager.time)?;
    Some(ChangedBy { manager: latest.name.clone(), who: known_manager(&latest.name), at: latest.time })
}

/// The tool that uses a field manager name. Tools built with Helm's or kubectl's libraries appear under the name of
/// their binary.
pub fn known_manager(name: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("helm-controller", "Flux"),
        ("helm", "Helm"),
        ("terraform-provider-helm", "Terraform's Helm provider"),
        ("Terraform", "Terraform"),
        ("HashiCorp", "Terraform"),
        ("argocd", "Argo CD"),
        ("kustomize-controller", "Flux"),
        ("kubectl-client-side-apply", "kubectl apply"),
        ("kubectl-set", "kubectl set image"),
        ("kubectl-edit", "kubectl edit"),
        ("kubectl-patch", "kubectl patch"),
        ("kubectl-replace", "kubectl replace"),
        ("kubectl-rollout", "kubectl rollout undo"),
        ("kubectl-castai_privatelink", "this plugin"),
        ("kubectl", "kubectl"),
    ];
    let known = KNOWN.iter().find(|(start, _)| name.starts_with(start)).map(|(_, who)| *who);
    known.or_else(|| built_in().field_manager(name))
}

#[cfg(test)]
mod tests;
