//! Endpoints that a component reads from a file: one key of a `ConfigMap` or Secret that its pod mounts.

use probe::Endpoint;
use serde_json::Value;

use super::component::{Configured, Known};
use super::references::{ObjectReference, Objects};
use crate::model::knowledge::EndpointFile;
use crate::model::workload::Workload;
use crate::parse;

/// The endpoint files of a workload: the object with the file, whether it is optional, and the file.
fn files<'a>(
    workload: &'a Workload,
    known: Known<'a>,
) -> impl Iterator<Item = (ObjectReference, bool, &'a EndpointFile)> {
    let reads = move |file: &EndpointFile| known.runs(workload.pod.spec.containers.iter(), &file.image);
    let namespace = workload.name.namespace.as_str();
    known.knowledge.all_endpoint_files().filter(move |file| reads(file)).flat_map(move |file| {
        let volumes = workload.pod.spec.volumes.iter().flatten();
        volumes
            .filter_map(move |volume| ObjectReference::of_volume(volume, namespace))
            .map(move |(reference, optional)| (reference, optional, file))
    })
}

/// The objects and keys with endpoint files of this workload.
pub fn references<'a>(
    workload: &'a Workload,
    known: Known<'a>,
) -> impl Iterator<Item = (ObjectReference, &'a str)> {
    files(workload, known).map(|(reference, _, file)| (reference, file.key.as_str()))
}

/// The endpoints in a workload's files, and why others are unknown. An object without the key belongs to another
/// volume.
pub fn endpoints(workload: &Workload, objects: &Objects, known: Known<'_>) -> (Vec<Configured>, Vec<String>) {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for (reference, optional, file) in files(workload, known) {
        let text = match objects.get(&reference) {
            Ok(data) => data.get(&file.key),
            Err(reason) if optional && reason.is_missing() => None,
            Err(reason) => {
                unreadable.push(format!("{reference}: {reason}"));
                None
            }
        };
        let Some(text) = text else { continue };
        let key = &file.key;
        let Ok(content) = parse::yaml::from_str::<Value>(text, 1) else {
            unreadable.push(format!("{reference}: {key} is not YAML"));
            continue;
        };
        let Some(value) = content.pointer(&file.pointer).and_then(Value::as_str) else { continue };
        let place = file.pointer.trim_start_matches('/').replace('/', ".");
        match value.parse::<Endpoint>() {
            Ok(endpoint) => found.push(Configured {
                endpoint,
                protocol: file.protocol,
                configured_by: format!("{place} in {key}"),
            }),
            Err(error) => unreadable.push(format!("{place} in {key} of {reference}: {error}")),
        }
    }
    (found, unreadable)
}
