//! Which workloads belong to Cast AI as a whole: by their namespace, their labels, or their name with evidence. Anyone
//! may choose a name, so a name selects a workload only with something that the name does not give.

use std::collections::BTreeSet;

use super::{ImageFilter, owners};
use crate::model::image::Image;
use crate::model::inventory::Reason;
use crate::model::knowledge::Knowledge;
use crate::model::workload::Workload;

/// Why all containers of a workload are included, if their images may be mirrored.
pub(super) fn whole_workload(workload: &Workload, filter: &ImageFilter) -> Option<Reason> {
    let knowledge = &filter.knowledge;
    if knowledge.is_namespace(&workload.name.namespace) {
        return Some(Reason::Namespace { namespace: workload.name.namespace.clone() });
    }
    if let Some(reason) = labelled(workload, knowledge) {
        return Some(reason);
    }
    let component = component_named(workload, knowledge)?.to_owned();
    let evidence = evidence(workload, filter)?;
    Some(Reason::Component { component, evidence })
}

/// The component that has a workload of this name, in any namespace.
pub(super) fn component_named<'k>(workload: &Workload, knowledge: &'k Knowledge) -> Option<&'k str> {
    knowledge.component_named(workload.name.kind.as_str(), &workload.name.name)
}

fn labelled(workload: &Workload, knowledge: &Knowledge) -> Option<Reason> {
    let chart = workload.labels.get("helm.sh/chart").and_then(|label| knowledge.chart(label));
    if let Some(chart) = chart {
        return Some(Reason::Chart { chart: chart.to_owned() });
    }
    knowledge.label(&workload.labels).map(|label| Reason::Label { label })
}

/// What shows that a workload with the name of a component's workload is that one.
fn evidence(workload: &Workload, filter: &ImageFilter) -> Option<String> {
    let is_chart = |name: &str| filter.knowledge.chart(&format!("{name}-")).is_some();
    if let Some(owner) = workload.controller.as_ref().filter(|owner| owner.group().ends_with("cast.ai")) {
        return Some(format!("owned by {}", owners::described(owner)));
    }
    if let Some(account) = workload.pod.spec.service_account_name.as_ref().filter(|name| is_chart(name)) {
        return Some(format!("service account {account}"));
    }
    // The chart castai-agent sets the instance to the workload's own name.
    let label = workload.labels.get("app.kubernetes.io/instance").filter(|name| **name != workload.name.name);
    let release = workload.annotations.get("meta.helm.sh/release-name").or(label);
    if let Some(release) = release.filter(|name| is_chart(name)) {
        return Some(format!("Helm release {release}"));
    }
    let (cluster, namespace) = (&workload.name.cluster, &workload.name.namespace);
    let is_beside = filter.components.contains(&(cluster.clone(), namespace.clone()));
    is_beside.then(|| format!("Cast AI's components run in namespace {namespace}"))
}

/// The same filter with the namespaces of `workloads` in which components run that labels or images identify.
#[must_use]
pub fn beside(mut filter: ImageFilter, workloads: &[Workload]) -> ImageFilter {
    let found = component_namespaces(workloads, &filter);
    filter.components.extend(found);
    filter
}

fn component_namespaces(workloads: &[Workload], filter: &ImageFilter) -> BTreeSet<(String, String)> {
    let has_own_image = |workload: &Workload| {
        workload.pod.spec.containers.iter().filter_map(|container| container.image.as_ref()).any(|image| {
            let Ok(image) = image.parse::<Image>() else { return false };
            let source = filter.source_of(&image);
            filter.knowledge.image_prefix(source.as_ref().unwrap_or(&image)).is_some()
        })
    };
    // A third-party workload that Cast AI patches is in a namespace of others.
    let is_patched = |workload: &Workload| patched_by(workload, &filter.knowledge).is_some();
    workloads
        .iter()
        .filter(|workload| !is_patched(workload))
        .filter(|workload| labelled(workload, &filter.knowledge).is_some() || has_own_image(workload))
        .map(|workload| (workload.name.cluster.clone(), workload.name.namespace.clone()))
        .collect()
}

/// The component that patches this third-party workload.
pub(super) fn patched_by<'k>(workload: &Workload, knowledge: &'k Knowledge) -> Option<&'k str> {
    let name = format!("{}/{}", workload.name.kind.as_str(), workload.name.name);
    knowledge.patched_by(&workload.name.namespace, &name)
}

#[cfg(test)]
mod tests;
