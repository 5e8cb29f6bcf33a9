use serde_json::json;

use super::*;
use crate::cluster::waiting::RunningImage;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::store::Listing;
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assignment::assign;

const PATH: &str = "ghcr.io/castai/x";

fn name(kind: WorkloadKind, name: &str) -> WorkloadName {
    WorkloadName {
        cluster: "c".to_owned(),
        namespace: "castai-agent".to_owned(),
        kind,
        name: name.to_owned(),
    }
}

fn workload(image: &str) -> Workload {
    Workload {
        name: name(WorkloadKind::DaemonSet, "w"),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": image}]}}))
            .unwrap(),
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
    }
}

fn pod(pod: &str, image: &str, digest: &Digest) -> WaitingPod {
    WaitingPod {
        name: name(WorkloadKind::Pod, pod),
        labels: BTreeMap::new(),
        controller: Some(crate::model::workload::ControllerReference {
            api_version: "apps/v1".to_owned(),
            kind: "DaemonSet".to_owned(),
            name: "w".to_owned(),
        }),
        images: Vec::new(),
        running: vec![RunningImage {
            image_field: ImageField::of_container("a"),
            image: image.to_owned(),
            digest: digest.clone(),
            pull_policy: "Always".to_owned(),
        }],
        problems: Vec::new(),
    }
}

#[test]
fn pods_with_an_older_digest_are_found_by_controller() {
    let (old, new) = (Digest::compute(b"old"), Digest::compute(b"new"));
    let ours = format!("e.example/{PATH}:v1");
    let workloads = [workload(&ours)];
    let found = Found { workloads: &workloads, ..Found::default() };
    let filter = ImageFilter::default();
    let inventory = discover(Vec::new(), &[found], &filter, Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let assignments = assign(&inventory, &"e.example".parse().unwrap(), &[], None);
    let listing =
        Listing { tags: [("v1".to_owned(), new.clone())].into(), digests: [old.clone(), new.clone()].into() };
    let seen = RegistrySnapshot {
        repositories: [(PATH.to_owned(), Ok(Some(listing)))].into(),
        ..RegistrySnapshot::default()
    };
    let unread = RegistrySnapshot::unread(&assignments, "denied");
    let pods = [
        pod("w-1", &ours, &old),
        pod("w-2", &ours, &new),
        pod("w-3", &ours, &old),
        // It is about to be replaced.
        pod("w-4", "e.example/ghcr.io/castai/x:v0", &old),
    ];
    let older = older_digests(&pods, &workloads, &assignments, &seen);
    assert_eq!(older.len(), 1, "{older:?}");
    assert_eq!(older[0].pods, ["w-1", "w-3"]);
    assert_eq!(older[0].image_pull_policy, "Always");
    assert_eq!((older[0].running.as_str(), older[0].current.as_str()), (old.as_str(), new.as_str()));
    assert!(older_digests(&pods, &workloads, &assignments, &unread).is_empty(), "nothing is known");
}

#[test]
fn the_digest_of_a_platform_belongs_to_its_index() {
    let index = json!({"manifests": [{"digest": "sha256:1"}, {"digest": "sha256:2"}]}).to_string();
    assert!(contains(index.as_bytes(), "sha256:2") && !contains(index.as_bytes(), "sha256:3"));
    assert!(!contains(b"not JSON", "sha256:1"));
}
