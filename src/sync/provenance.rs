//! Which names may be mirrored: names that our records know, names of images in Cast AI's own namespaces, and names
//! that the user specified. Everything else in a cluster only selects among these names, because tenants may write it:
//! annotations, labels, custom resources, Helm releases, image names.

use crate::model::image::Image;
use crate::model::inventory::{Place, WorkloadName};
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::provenance::Provenance;

/// The provenance of `source`, used in `place`; `None` if it may not be mirrored.
pub fn provenance(
    source: &Image,
    place: &Place,
    knowledge: &Knowledge,
    maps: &[NameMap],
) -> Option<Provenance> {
    if knowledge.knows(source) {
        return Some(Provenance::Known);
    }
    if maps.iter().any(|map| map.public() == source.repository()) {
        return Some(Provenance::Given);
    }
    match place {
        Place::File { .. } | Place::Named => Some(Provenance::Given),
        Place::Workload(_) | Place::Resource { .. } | Place::Release { .. } => {
            is_castai(place, knowledge).then_some(Provenance::Unknown)
        }
    }
}

/// Whether an object is in a namespace that only Cast AI uses.
pub fn is_castai(place: &Place, knowledge: &Knowledge) -> bool {
    match place {
        Place::Workload(WorkloadName { namespace, .. })
        | Place::Resource { namespace, .. }
        | Place::Release { namespace, .. } => knowledge.is_namespace(namespace),
        Place::File { .. } | Place::Named => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::WorkloadKind;

    fn place(kind: &str, namespace: &str) -> Place {
        let (cluster, namespace) = ("c".to_owned(), namespace.to_owned());
        match kind {
            "workload" => Place::Workload(WorkloadName {
                cluster,
                namespace,
                kind: WorkloadKind::Deployment,
                name: "w".to_owned(),
            }),
            "resource" => {
                Place::Resource { cluster, namespace, resource: "x.cast.ai".to_owned(), name: "r".to_owned() }
            }
            "release" => Place::Release {
                cluster,
                namespace,
                release: "castai-agent".to_owned(),
                manifest: "Deployment/w".to_owned(),
                hook: true,
            },
            "file" => Place::File { path: "-".to_owned(), manifest: "Pod/p".to_owned() },
            _ => Place::Named,
        }
    }

    #[test]
    fn a_name_is_mirrored_only_if_known_given_or_in_cast_ais_namespaces() {
        let (known, evil) = ("ghcr.io/castai/kvisor/kvisor-agent:v1", "evil.example/ghcr.io/castai/x:v1");
        let cases = [
            (known, "workload", "shop", Some(Provenance::Known)),
            (known, "release", "castai-agent", Some(Provenance::Known)),
            ("alpine/k8s:1", "workload", "shop", Some(Provenance::Known)),
            (evil, "workload", "shop", None),
            (evil, "resource", "shop", None),
            (evil, "resource", "", None),
            (evil, "release", "shop", None),
            (evil, "workload", "castai-agent", Some(Provenance::Unknown)),
            (evil, "resource", "castai-agent", Some(Provenance::Unknown)),
            (evil, "release", "castai-agent", Some(Provenance::Unknown)),
            (evil, "file", "", Some(Provenance::Given)),
            (evil, "named", "", Some(Provenance::Given)),
            ("acme/probe:v1", "workload", "shop", Some(Provenance::Given)),
            ("e.example/flat:v1", "workload", "shop", None),
            ("shop/castai/x:v1", "workload", "castai-agents", None),
        ];
        let (knowledge, maps) = (Knowledge::default(), ["e.example/flat=acme/probe".parse().unwrap()]);
        for (name, kind, namespace, expected) in cases {
            let seen = provenance(&name.parse().unwrap(), &place(kind, namespace), &knowledge, &maps);
            assert_eq!(seen, expected, "{name} {kind} {namespace}");
        }
    }
}
