//! The hosts that the cluster's components are configured with: their variables, resolved as the kubelet would.
//!
//! Objects of the cluster are passed in as values, so everything here is pure.

use std::collections::{BTreeMap, BTreeSet};

use probe::Endpoint;

use super::component::{Component, Configured, Known, containers};
use super::config_file;
use super::references::{ObjectReference, Objects};
use crate::castai::endpoints::Protocol;
use crate::model::pod_template::{Container, EnvVar};
use crate::model::workload::Workload;

/// Cast AI's workloads, without those that another workload created.
pub fn components<'w>(workloads: &'w [Workload], known: Known<'_>) -> Vec<&'w Workload> {
    workloads
        .iter()
        .filter(|workload| is_cast_ai(workload, known) && !is_made_by_workload(workload))
        .collect()
}

fn is_cast_ai(workload: &Workload, known: Known<'_>) -> bool {
    let Known { knowledge, .. } = known;
    knowledge.is_namespace(&workload.name.namespace)
        || workload.labels.get("helm.sh/chart").is_some_and(|label| knowledge.chart(label).is_some())
        || knowledge.label(&workload.labels).is_some()
        || containers(workload)
            .filter_map(|container| known.image_of(container))
            .any(|image| knowledge.image_prefix(&image).is_some() || knowledge.looks_mirrored(&image))
}

fn is_made_by_workload(workload: &Workload) -> bool {
    workload.controller.as_ref().is_some_and(|owner| owner.workload_kind().is_some())
}

/// The keys per object that may hold an endpoint of these workloads. Nothing else is kept, because Secrets also contain
/// credentials.
pub fn referenced_keys<'a>(
    workloads: impl IntoIterator<Item = &'a Workload>,
    known: Known<'_>,
) -> BTreeMap<ObjectReference, BTreeSet<String>> {
    let variables = known.knowledge.all_endpoint_variables();
    let mut wanted: BTreeMap<ObjectReference, BTreeSet<String>> = BTreeMap::new();
    for workload in workloads {
        for (reference, key) in config_file::references(workload, known) {
            wanted.entry(reference).or_default().insert(key.to_owned());
        }
        let namespace = workload.name.namespace.as_str();
        for container in containers(workload) {
            for source in container.env_from.iter().flatten() {
                if let Some((reference, _)) = ObjectReference::of_source(source, namespace) {
                    let prefix = source.prefix.as_deref().unwrap_or_default();
                    let keys = variables.iter().filter_map(|(variable, _)| variable.strip_prefix(prefix));
                    wanted.entry(reference).or_default().extend(keys.map(ToOwned::to_owned));
                }
            }
            for variable in container.env.iter().flatten() {
                if variables.iter().any(|(name, _)| *name == variable.name)
                    && let Some((reference, key, _)) = ObjectReference::of_variable(variable, namespace)
                {
                    wanted.entry(reference).or_default().insert(key);
                }
            }
        }
    }
    wanted
}

/// The endpoints of one component; `objects` are the `ConfigMap`s and Secrets that it refers to.
pub fn resolve(workload: &Workload, objects: &Objects, known: Known<'_>) -> Component {
    let variables = known.knowledge.all_endpoint_variables();
    let mut component = Component {
        workload: format!("{}/{}", workload.name.namespace, workload.name),
        name: workload.name.name.clone(),
        endpoints: Vec::new(),
        unreadable: Vec::new(),
        notes: Vec::new(),
    };
    for container in containers(workload) {
        let values = Values::collect(container, &workload.name.namespace, objects, &variables);
        component.unreadable.extend(values.unreadable);
        let mut endpoints = Vec::new();
        for (variable, protocol) in &variables {
            let Some(value) = values.known.get(*variable) else {
                continue;
            };
            if value.is_empty() || known.knowledge.is_derived(variable, value) {
                continue;
            }
            match value.parse::<Endpoint>() {
                Ok(endpoint) => {
                    endpoints.push(Configured {
                        endpoint,
                        protocol: *protocol,
                        configured_by: (*variable).to_owned(),
                    });
                }
                Err(error) => component.unreadable.push(format!("{variable}: {error}")),
            }
        }
        endpoints.extend(derived(container, &values.known, known));
        if endpoints.is_empty() {
            let is_new = |source: &String| !component.unreadable.iter().any(|why| why.ends_with(source));
            let sources = values.unreadable_sources.into_iter().filter(is_new).collect::<Vec<_>>();
            component.unreadable.extend(sources);
        } else {
            component.notes.extend(values.unreadable_sources);
        }
        for endpoint in endpoints {
            if !component.endpoints.contains(&endpoint) {
                component.endpoints.push(endpoint);
            }
        }
    }
    let (endpoints, unreadable) = config_file::endpoints(workload, objects, known);
    component.endpoints.extend(endpoints);
    component.unreadable.extend(unreadable);
    component.unreadable.sort();
    component.unreadable.dedup();
    component
}

/// A container's endpoint variables.
struct Values<'k> {
    known: BTreeMap<&'k str, String>,
    /// Variables that refer to an unreadable object or key.
    unreadable: Vec<String>,
    /// Unreadable objects that may set any variable.
    unreadable_sources: Vec<String>,
}

impl<'k> Values<'k> {
    /// In the kubelet's order: `envFrom` entries, each overriding the ones before it, then `env`.
    fn collect(
        container: &Container,
        namespace: &str,
        objects: &Objects,
        variables: &[(&'k str, Protocol)],
    ) -> Self {
        let mut values =
            Self { known: BTreeMap::new(), unreadable: Vec::new(), unreadable_sources: Vec::new() };
        for source in container.env_from.iter().flatten() {
            let Some((reference, optional)) = ObjectReference::of_source(source, namespace) else {
                continue;
            };
            let prefix = source.prefix.as_deref().unwrap_or_default();
            match objects.get(&reference) {
                Ok(data) => {
                    for (variable, _) in variables {
                        let value = variable.strip_prefix(prefix).and_then(|key| data.get(key));
                        if let Some(value) = value {
                            values.known.insert(variable, value.clone());
                        }
                    }
                }
                Err(reason) if !(optional && reason.is_missing()) => {
                    values.unreadable_sources.push(format!("{reference}: {reason}"));
                }
                Err(_) => {}
            }
        }
        for entry in container.env.iter().flatten() {
            let known = variables.iter().find(|(variable, _)| *variable == entry.name);
            if let Some((variable, _)) = known {
                values.set(variable, entry, namespace, objects);
            }
        }
        values
    }

    fn set(&mut self, variable: &'k str, entry: &EnvVar, namespace: &str, objects: &Objects) {
        self.known.remove(variable);
        if let Some(value) = &entry.value {
            self.known.insert(variable, value.clone());
            return;
        }
        let Some((reference, key, optional)) = ObjectReference::of_variable(entry, namespace) else {
            return;
        };
        match objects.get(&reference) {
            Ok(data) => match data.get(&key) {
                Some(value) => {
                    self.known.insert(variable, value.clone());
                }
                None if optional => {}
                None => self.unreadable.push(format!("{variable}: {reference} has no key {key}")),
            },
            Err(reason) if !(optional && reason.is_missing()) => {
                self.unreadable.push(format!("{variable}: {reference}: {reason}"));
            }
            Err(_) => {}
        }
    }
}

/// Endpoints that a component derives from another one.
fn derived(container: &Container, values: &BTreeMap<&str, String>, known: Known<'_>) -> Vec<Configured> {
    let image = known.image_of(container);
    let component =
        image.as_ref().and_then(|image| image.repository().rsplit('/').next()).unwrap_or_default();
    let rules = known.knowledge.derived_endpoints_of(component);
    let derived = rules.filter_map(|rule| {
        let from: Endpoint = values.get(rule.from.as_str())?.parse().ok()?;
        let host = rule.host(&from.host, |variable| values.get(variable).map(String::as_str))?;
        let configured_by = format!("derived from {}", rule.from);
        Some(Configured { endpoint: Endpoint { host, port: 443 }, protocol: rule.protocol, configured_by })
    });
    derived.collect()
}

#[cfg(test)]
mod tests;
