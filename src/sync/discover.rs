//! Which images are wanted, and why: the rule that covers Cast AI's components, on plain snapshots.
//!
//! Taken are (a) every workload in a namespace that holds Cast AI alone, and (b) in any namespace every workload of
//! a Cast AI chart, and single containers whose image is Cast AI's or was rewritten by us. What they derive or read
//! from variables comes with them. Replicas do not matter: a component that is switched off needs its image too.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodSpec;

use crate::castai::components;
use crate::cluster::workload::Workload;
use crate::image::Image;
use crate::sync::carriers::{Carried, carried};
use crate::sync::inventory::{
    API_VERSION, Carrier, Cluster, Inventory, InventoryKind, Place, Reason, Use, WantedImage, WorkloadKind,
};
use crate::sync::manifests::Manifest;
use crate::sync::record::Records;

/// `--only` and `--exclude`: globs on image names as written, in which `*` also matches slashes.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    only: Option<GlobSet>,
    exclude: GlobSet,
}

impl ImageFilter {
    /// # Errors
    /// A glob is malformed; the error names it.
    pub fn new(only: &[String], exclude: &[String]) -> Result<Self, globset::Error> {
        let set = |globs: &[String]| {
            let mut builder = GlobSetBuilder::new();
            for glob in globs {
                builder.add(Glob::new(glob)?);
            }
            builder.build()
        };
        Ok(Self {
            only: if only.is_empty() { None } else { Some(set(only)?) },
            exclude: set(exclude)?,
        })
    }

    pub fn admits(&self, image: &Image) -> bool {
        let name = image.as_written();
        self.only.as_ref().is_none_or(|only| only.is_match(name)) && !self.exclude.is_match(name)
    }
}

/// Makes the inventory of `workloads` and `manifests`, in order of the images' names. `notes` are those of reading.
pub fn discover(
    clusters: Vec<Cluster>,
    workloads: &[Workload],
    manifests: &[Manifest],
    filter: &ImageFilter,
    mut notes: Vec<String>,
    created: Timestamp,
) -> Inventory {
    let mut images: BTreeMap<String, WantedImage> = BTreeMap::new();
    let found = workloads
        .iter()
        .map(|workload| uses(workload, filter))
        .chain(manifests.iter().map(|manifest| file_uses(manifest, filter)));
    for (uses, unreadable) in found {
        notes.extend(unreadable);
        for (image, used_by) in uses {
            images
                .entry(image.as_written().to_owned())
                .or_insert_with(|| WantedImage {
                    image,
                    used_by: Vec::new(),
                })
                .used_by
                .push(used_by);
        }
    }
    for wanted in images.values_mut() {
        wanted
            .used_by
            .sort_by(|left, right| (&left.place, &left.carrier).cmp(&(&right.place, &right.carrier)));
    }
    Inventory {
        api_version: API_VERSION.to_owned(),
        kind: InventoryKind::Inventory,
        created,
        clusters,
        images: images.into_values().collect(),
        notes,
    }
}

/// The images that are taken of one workload, and what of them cannot be read.
pub fn uses(workload: &Workload, filter: &ImageFilter) -> (Vec<(Image, Use)>, Vec<String>) {
    if workload.is_carried_by_its_owner() {
        return (Vec::new(), Vec::new());
    }
    let whole = whole_workload(workload);
    let records = Records::read(&workload.annotations);
    let place = Place::Workload(workload.name.clone());
    let described = format!("{} in namespace {}", workload.name, workload.name.namespace);
    collect(&workload.pod, &records, &place, &described, filter, |field| {
        let reason = whole.clone().or_else(|| own_reason(field, &records))?;
        let fixed = fixed(workload, &field.carrier);
        Some((reason, fixed))
    })
}

fn file_uses(manifest: &Manifest, filter: &ImageFilter) -> (Vec<(Image, Use)>, Vec<String>) {
    let records = Records::read(&manifest.annotations);
    let place = Place::File {
        path: manifest.path.clone(),
        manifest: manifest.name.clone(),
    };
    let described = format!("{} in {}", manifest.name, manifest.path);
    collect(&manifest.pod, &records, &place, &described, filter, |_| {
        let reason = Reason::File {
            path: manifest.path.clone(),
        };
        Some((reason, None))
    })
}

/// Why a workload is taken with all its containers.
fn whole_workload(workload: &Workload) -> Option<Reason> {
    if components::NAMESPACES.contains(&workload.name.namespace.as_str()) {
        return Some(Reason::Namespace {
            namespace: workload.name.namespace.clone(),
        });
    }
    let chart = components::chart(workload.labels.get("helm.sh/chart")?)?;
    Some(Reason::Chart {
        chart: chart.to_owned(),
    })
}

/// Why a single container is taken.
fn own_reason(field: &Carried, records: &Records) -> Option<Reason> {
    if records.current(&field.carrier, &field.value).is_some() {
        return Some(Reason::Annotation);
    }
    let prefix = components::image_prefix(&field.value.parse().ok()?)?;
    Some(Reason::ImagePrefix {
        prefix: prefix.to_owned(),
    })
}

/// Why a field that was taken cannot be patched. Controllers such as an operator may own a Deployment, which can be
/// patched all the same; a patched pod or ReplicaSet would not outlive its controller's next step.
fn fixed(workload: &Workload, carrier: &Carrier) -> Option<String> {
    use WorkloadKind::{Job, Pod, ReplicaSet, ReplicationController};
    match (workload.name.kind, carrier, &workload.owner) {
        (Job, ..) => Some("a Job's template is immutable".to_owned()),
        (Pod | ReplicaSet | ReplicationController, _, Some(owner)) => Some(format!(
            "managed by {}/{} ({})",
            owner.kind, owner.name, owner.api_version
        )),
        (_, Carrier::EphemeralContainer(_), _) => Some("an ephemeral container cannot be changed".to_owned()),
        (Pod, Carrier::Environment { .. }, _) => Some("a pod's variables are immutable".to_owned()),
        _ => None,
    }
}

/// Takes what `decide` wants of the containers, and with each container its variables and its derived image.
fn collect(
    pod: &PodSpec,
    records: &Records,
    place: &Place,
    described: &str,
    filter: &ImageFilter,
    decide: impl Fn(&Carried) -> Option<(Reason, Option<String>)>,
) -> (Vec<(Image, Use)>, Vec<String>) {
    let (mut uses, mut notes) = (Vec::new(), Vec::new());
    let fields = carried(pod);
    let (variables, containers): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|field| matches!(field.carrier, Carrier::Environment { .. }));
    let mut take = |image: Image, carrier: Carrier, reason, recorded_source, fixed| {
        if filter.admits(&image) {
            let used_by = Use {
                place: place.clone(),
                carrier,
                reason,
                recorded_source,
                fixed,
            };
            uses.push((image, used_by));
        }
    };
    for field in containers {
        let Some((reason, fixed)) = decide(field) else {
            continue;
        };
        let image: Image = match field.value.parse() {
            Ok(image) => image,
            Err(error) => {
                notes.push(format!("{described}: {}: {error}", field.carrier));
                continue;
            }
        };
        let recorded = records.source(&field.carrier, &field.value);
        let own_variables = || {
            variables
                .iter()
                .filter(|variable| variable.container == field.container)
        };
        let has_variable = |name: &str| {
            own_variables().any(|variable| matches!(&variable.carrier, Carrier::Environment { variable, .. } if variable == name))
        };
        if let Some((carrier, derived)) = components::derived_image(&field.container, &image, has_variable) {
            let source = recorded
                .as_ref()
                .and_then(|source| components::derived_image(&field.container, source, |_| false));
            let from = image.clone();
            take(
                derived,
                carrier,
                Reason::Derived { from },
                source.map(|(_, source)| source),
                fixed.clone(),
            );
        }
        for variable in own_variables() {
            match (&variable.carrier, variable.value.parse::<Image>()) {
                (Carrier::Environment { variable: name, .. }, Ok(image)) => {
                    let reason = match &reason {
                        Reason::File { .. } => reason.clone(),
                        _ => Reason::Variable {
                            variable: name.clone(),
                        },
                    };
                    let fixed = decide(variable).map_or_else(|| fixed.clone(), |(_, fixed)| fixed);
                    take(
                        image,
                        variable.carrier.clone(),
                        reason,
                        records.source(&variable.carrier, &variable.value),
                        fixed,
                    );
                }
                (_, Err(error)) => notes.push(format!("{described}: {}: {error}", variable.carrier)),
                _ => {}
            }
        }
        take(image, field.carrier.clone(), reason, recorded, fixed);
    }
    (uses, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::workload::Owner;
    use crate::sync::inventory::WorkloadName;
    use crate::sync::record::ANNOTATION;

    const GAR: &str = "us-docker.pkg.dev/castai-hub/library";

    fn workload(kind: WorkloadKind, namespace: &str, pod: serde_json::Value) -> Workload {
        Workload {
            name: WorkloadName {
                cluster: "c".to_owned(),
                namespace: namespace.to_owned(),
                kind,
                name: "w".to_owned(),
            },
            uid: String::new(),
            resource_version: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owner: None,
            pod: serde_json::from_value(pod).unwrap(),
        }
    }

    fn container(name: &str, image: &str) -> serde_json::Value {
        serde_json::json!({"name": name, "image": image})
    }

    /// Image, carrier, reason and why it is fixed of everything taken.
    fn seen(workload: &Workload) -> Vec<(String, String, String, Option<String>)> {
        let (uses, _) = uses(workload, &ImageFilter::default());
        uses.into_iter()
            .map(|(image, used_by)| {
                (
                    image.to_string(),
                    used_by.carrier.to_string(),
                    used_by.reason.to_string(),
                    used_by.fixed,
                )
            })
            .collect()
    }

    #[test]
    fn a_namespace_of_cast_ai_is_taken_whole() {
        let pod = serde_json::json!({
            "initContainers": [container("gpu", "nvcr.io/x/y:1")],
            "containers": [container("agent", &format!("{GAR}/agent:v1"))],
        });
        let reason = "in Cast AI namespace castai-agent".to_owned();
        assert_eq!(
            seen(&workload(WorkloadKind::DaemonSet, "castai-agent", pod)),
            [
                (
                    "nvcr.io/x/y:1".to_owned(),
                    "init/gpu".to_owned(),
                    reason.clone(),
                    None
                ),
                (
                    format!("{GAR}/agent:v1"),
                    "container/agent".to_owned(),
                    reason,
                    None
                ),
            ]
        );
    }

    #[test]
    fn elsewhere_only_cast_ai_images_are_taken() {
        let pod = serde_json::json!({"containers": [container("app", "shop/web:1"), container("sidecar", &format!("{GAR}/x:1"))]});
        let mut workload = workload(WorkloadKind::Deployment, "shop", pod);
        let taken = seen(&workload);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].1, "container/sidecar");
        workload
            .labels
            .insert("helm.sh/chart".to_owned(), "castai-evictor-0.35.143".to_owned());
        assert_eq!(seen(&workload).len(), 2, "a chart of Cast AI is taken whole");
    }

    #[test]
    fn a_rewritten_image_is_taken_with_its_source_while_the_record_is_true() {
        let pod = serde_json::json!({"containers": [container("app", "registry.example/flat:1")]});
        let mut workload = workload(WorkloadKind::Deployment, "shop", pod);
        for (to, source) in [
            ("registry.example/flat:1", Some("castai/x:1")),
            ("registry.example/flat:0", None),
        ] {
            let record = serde_json::json!({"container/app": {"from": "castai/x:1", "to": to}}).to_string();
            workload.annotations.insert(ANNOTATION.to_owned(), record);
            let (uses, _) = uses(&workload, &ImageFilter::default());
            let sources: Vec<_> = uses
                .iter()
                .map(|(_, used_by)| used_by.recorded_source.as_ref().map(Image::as_written))
                .collect();
            assert_eq!(
                sources,
                source.map(|source| vec![Some(source)]).unwrap_or_default()
            );
        }
    }

    #[test]
    fn variables_and_derived_images_come_with_their_container() {
        let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
        let pod = serde_json::json!({"containers": [
            container("controller", controller),
            {"name": "woop", "image": format!("{GAR}/workload-autoscaler:1"), "env": [
                {"name": "JMX_EXPORTER_INIT_IMAGE", "value": "ghcr.io/castai/jmx:1"},
                {"name": "AGENT_IMAGE", "value": "v0.21.0"},
            ]},
            {"name": "other", "image": "shop/web:1", "env": [{"name": "SCANNERS_IMAGE", "value": "shop/scanner:1"}]},
        ]});
        let carriers: Vec<_> = seen(&workload(WorkloadKind::Deployment, "shop", pod))
            .into_iter()
            .map(|(image, carrier, ..)| (image, carrier))
            .collect();
        let expected = [
            (
                "ghcr.io/castai/kvisor/kvisor-scanners:v1",
                "derived/controller/kvisor-scanners",
            ),
            (controller, "container/controller"),
            ("ghcr.io/castai/jmx:1", "env/woop/JMX_EXPORTER_INIT_IMAGE"),
            (
                "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:1",
                "container/woop",
            ),
        ];
        assert_eq!(
            carriers,
            expected.map(|(image, carrier)| (image.to_owned(), carrier.to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_patched_says_why() {
        let pod = || serde_json::json!({"containers": [container("x", &format!("{GAR}/x:1"))]});
        let rollout = Some(Owner {
            api_version: "argoproj.io/v1alpha1".to_owned(),
            kind: "Rollout".to_owned(),
            name: "x".to_owned(),
        });
        let cases = [
            (WorkloadKind::Job, None, Some("a Job's template is immutable")),
            (
                WorkloadKind::ReplicaSet,
                rollout.clone(),
                Some("managed by Rollout/x (argoproj.io/v1alpha1)"),
            ),
            (WorkloadKind::Deployment, rollout, None),
            (WorkloadKind::Pod, None, None),
        ];
        for (kind, owner, expected) in cases {
            let mut workload = workload(kind, "castai-agent", pod());
            workload.owner = owner;
            assert_eq!(seen(&workload)[0].3.as_deref(), expected, "{kind:?}");
        }
    }

    #[test]
    fn filters_match_names_as_written() {
        let filter = |only: &[&str], exclude: &[&str]| {
            let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
            ImageFilter::new(&owned(only), &owned(exclude))
        };
        let image: Image = format!("{GAR}/agent:v1").parse().unwrap();
        assert!(filter(&["*/agent:*"], &[]).unwrap().admits(&image));
        assert!(!filter(&["*kvisor*"], &[]).unwrap().admits(&image));
        assert!(!filter(&[], &["us-docker.pkg.dev/*"]).unwrap().admits(&image));
        assert!(filter(&["["], &[]).is_err());
    }

    #[test]
    fn the_inventory_is_ordered_and_names_what_it_cannot_read() {
        let pod = |image: &str| serde_json::json!({"containers": [container("x", image)]});
        let workloads = [
            workload(WorkloadKind::Pod, "castai-agent", pod("z:1")),
            workload(WorkloadKind::Deployment, "castai-agent", pod("a:1")),
            workload(WorkloadKind::DaemonSet, "castai-agent", pod("a:1")),
            workload(WorkloadKind::CronJob, "castai-agent", pod("NOT AN IMAGE")),
        ];
        let inventory = discover(
            Vec::new(),
            &workloads,
            &[],
            &ImageFilter::default(),
            Vec::new(),
            Timestamp::UNIX_EPOCH,
        );
        let names: Vec<_> = inventory
            .images
            .iter()
            .map(|wanted| (wanted.image.as_written(), wanted.used_by.len()))
            .collect();
        assert_eq!(names, [("a:1", 2), ("z:1", 1)]);
        assert!(
            inventory.notes[0]
                .starts_with("cronjob.batch/w in namespace castai-agent: container/x: invalid image"),
            "{:?}",
            inventory.notes
        );
    }
}
