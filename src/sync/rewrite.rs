//! Which patches bring workloads to verified images: pure, from a snapshot and a lock.

use std::collections::{BTreeMap, BTreeSet};

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::workload::Workload;
use crate::image::Image;
use crate::sync::carriers::{Carried, carried};
use crate::sync::discover::{self, ImageFilter};
use crate::sync::inventory::{Carrier, WorkloadName};
use crate::sync::lock::{Lock, LockedImage};
use crate::sync::record::{ANNOTATION, Record, Records};

/// What decides on a workload's patch, so that it can be decided anew when the workload changed.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter<'a> {
    pub lock: &'a Lock,
    pub filter: &'a ImageFilter,
    /// Images as written that need no mirror, because nodes reach them or they are there already.
    pub left_alone: &'a BTreeSet<Image>,
}

/// What is to be done with one workload.
#[derive(Clone, Debug, PartialEq)]
pub enum Rewrite {
    Patch(WorkloadPatch),
    /// It runs the verified images already.
    Unchanged,
    /// An image that it needs is not verified; the text names it.
    HeldBack(String),
    /// None of its images can be changed in place; the text says why.
    Fixed(String),
}

/// A patch of one workload, guarded so that it only applies to what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPatch {
    pub workload: WorkloadName,
    /// In order of the carriers. Empty where only our record is brought up to date.
    pub changes: Vec<Change>,
    pub patch: Patch,
    /// Our records of the changed carriers as they were.
    previous: BTreeMap<Carrier, Option<Record>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub carrier: Carrier,
    pub from: String,
    pub to: String,
}

impl Rewriter<'_> {
    /// Decides on one workload; `None` where nothing of it is taken.
    pub fn rewrite(&self, workload: &Workload) -> Option<Rewrite> {
        let (uses, _) = discover::uses(workload, self.filter);
        let uses: Vec<_> = uses
            .into_iter()
            .filter(|(image, _)| !self.left_alone.contains(image))
            .collect();
        if uses.is_empty() {
            return None;
        }
        let before = Records::read(&workload.annotations);
        let mut records = before.clone();
        let (mut changes, mut missing, mut fixed) = (Vec::new(), BTreeSet::new(), None);
        for (image, used_by) in &uses {
            let carrier = &used_by.carrier;
            match self.locked(image) {
                None => {
                    missing.insert(image.as_written());
                }
                Some(Locked::Destination(locked)) => {
                    // Somebody put another version of ours there; our record must not speak of the old one.
                    if before
                        .get(carrier)
                        .is_some_and(|record| record.to != image.as_written())
                    {
                        let record = Record {
                            from: locked.source.to_string(),
                            to: image.to_string(),
                        };
                        records.set(carrier, Some(record));
                    }
                }
                Some(Locked::Source(_)) if !carrier.is_field() => {}
                Some(Locked::Source(locked)) => match &used_by.fixed {
                    Some(why) => fixed = Some(why.clone()),
                    None => {
                        let change = Change {
                            carrier: carrier.clone(),
                            from: image.to_string(),
                            to: locked.destination.to_string(),
                        };
                        records.set(carrier, Some(record_of(&change, &before)));
                        changes.push(change);
                    }
                },
            }
        }
        if !missing.is_empty() {
            let missing: Vec<_> = missing.into_iter().collect();
            return Some(Rewrite::HeldBack(format!(
                "not verified in the destination: {}",
                missing.join(", ")
            )));
        }
        changes.sort_by(|left, right| left.carrier.cmp(&right.carrier));
        match (changes.is_empty() && records == before, fixed) {
            (true, Some(why)) => Some(Rewrite::Fixed(why)),
            (true, None) => Some(Rewrite::Unchanged),
            (false, _) => Some(Rewrite::Patch(WorkloadPatch {
                workload: workload.name.clone(),
                previous: changes
                    .iter()
                    .map(|change| (change.carrier.clone(), before.get(&change.carrier).cloned()))
                    .collect(),
                patch: build(workload, &changes, &records),
                changes,
            })),
        }
    }

    /// The locked image that `image` names, as written before any other that means the same.
    fn locked(&self, image: &Image) -> Option<Locked<'_>> {
        let locked = || {
            self.lock
                .destinations
                .iter()
                .flat_map(|destination| &destination.images)
        };
        locked()
            .find(|locked| is_same(&locked.destination, image))
            .map(Locked::Destination)
            .or_else(|| {
                locked()
                    .find(|locked| &locked.source == image)
                    .map(Locked::Source)
            })
            .or_else(|| {
                locked()
                    .find(|locked| is_same(&locked.source, image))
                    .map(Locked::Source)
            })
    }
}

enum Locked<'a> {
    Destination(&'a LockedImage),
    Source(&'a LockedImage),
}

/// Whether two references, however written, pull the same thing.
fn is_same(left: &Image, right: &Image) -> bool {
    (left.host(), left.path(), left.version()) == (right.host(), right.path(), right.version())
}

/// What has to be put back is what stood there before our first change, as long as every change since was ours.
fn record_of(change: &Change, before: &Records) -> Record {
    let first = before.current(&change.carrier, &change.from);
    Record {
        from: first.map_or_else(|| change.from.clone(), |record| record.from.clone()),
        to: change.to.clone(),
    }
}

/// The patch that takes `applied` back from `workload` as it is now: only where the value is still ours. `None`
/// where nothing of it is left.
pub fn restoring(workload: &Workload, applied: &WorkloadPatch) -> Option<Patch> {
    let fields = carried(&workload.pod);
    let mut records = Records::read(&workload.annotations);
    let changes: Vec<_> = applied
        .changes
        .iter()
        .filter(|change| {
            fields
                .iter()
                .any(|field| field.carrier == change.carrier && field.value == change.to)
        })
        .map(|change| Change {
            carrier: change.carrier.clone(),
            from: change.to.clone(),
            to: change.from.clone(),
        })
        .collect();
    for change in &changes {
        records.set(
            &change.carrier,
            applied.previous.get(&change.carrier).cloned().flatten(),
        );
    }
    (!changes.is_empty()).then(|| build(workload, &changes, &records))
}

/// Replaces the images of `changes` and our annotation; each is preceded by a `test` of what was read.
fn build(workload: &Workload, changes: &[Change], records: &Records) -> Patch {
    let fields = carried(&workload.pod);
    let mut operations = Vec::new();
    for change in changes {
        let Some(field) = fields.iter().find(|field| field.carrier == change.carrier) else {
            continue;
        };
        operations.extend(replace(workload, field, &change.to));
    }
    operations.extend(annotate(workload, records.to_annotation()));
    Patch(operations)
}

fn replace(workload: &Workload, field: &Carried, value: &str) -> Vec<PatchOperation> {
    let absolute = |path: &[String]| {
        let prefix = workload.name.kind.pod_spec_pointer().split('/').skip(1);
        PointerBuf::from_tokens(prefix.chain(path.iter().map(String::as_str)))
    };
    let mut operations: Vec<_> = field
        .names
        .iter()
        .map(|(path, name)| test(absolute(path), name.as_str().into()))
        .collect();
    operations.push(test(absolute(&field.path), field.value.as_str().into()));
    operations.push(PatchOperation::Replace(ReplaceOperation {
        path: absolute(&field.path),
        value: value.into(),
    }));
    operations
}

/// The API server's `test` takes a missing member for null, so that absence can be tested as well.
fn annotate(workload: &Workload, value: Option<String>) -> Vec<PatchOperation> {
    let all = || PointerBuf::from_tokens(["metadata", "annotations"]);
    let ours = || PointerBuf::from_tokens(["metadata", "annotations", ANNOTATION]);
    let current = workload.annotations.get(ANNOTATION);
    if current == value.as_ref() {
        return Vec::new();
    }
    let add = |path, value| PatchOperation::Add(AddOperation { path, value });
    match (current, value) {
        (_, Some(value)) if workload.annotations.is_empty() => {
            vec![
                test(all(), Value::Null),
                add(all(), serde_json::json!({ANNOTATION: value})),
            ]
        }
        (current, Some(value)) => vec![
            test(ours(), serde_json::json!(current)),
            add(ours(), value.into()),
        ],
        (current, None) => {
            vec![
                test(ours(), serde_json::json!(current)),
                PatchOperation::Remove(RemoveOperation { path: ours() }),
            ]
        }
    }
}

fn test(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::image::Digest;
    use crate::sync::inventory::{API_VERSION, WorkloadKind};
    use crate::sync::lock::{LockKind, LockedDestination};

    const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent:v1";
    const MIRROR: &str = "registry.example";

    fn lock(images: &[(&str, &str)]) -> Lock {
        let locked = |(source, destination): &(&str, &str)| LockedImage {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            digest: Digest::of(b"x"),
            media_type: String::new(),
            platforms: Vec::new(),
            size: 0,
            verified: Timestamp::UNIX_EPOCH,
        };
        Lock {
            api_version: API_VERSION.to_owned(),
            kind: LockKind::Lock,
            created: Timestamp::UNIX_EPOCH,
            destinations: vec![LockedDestination {
                mirror: MIRROR.parse().unwrap(),
                images: images.iter().map(locked).collect(),
            }],
        }
    }

    /// An object as the API server holds it, and the snapshot that is made of it.
    fn workload(kind: WorkloadKind, annotations: &Value, pod: &Value) -> (Value, Workload) {
        let wrapped = kind
            .pod_spec_pointer()
            .rsplit('/')
            .filter(|part| !part.is_empty())
            .fold(pod.clone(), |inner, part| json!({part: inner}));
        let mut object = wrapped;
        object["metadata"] = json!({"name": "w", "namespace": "castai-agent"});
        if !annotations.is_null() {
            object["metadata"]["annotations"] = annotations.clone();
        }
        let workload = Workload {
            name: WorkloadName {
                cluster: "c".to_owned(),
                namespace: "castai-agent".to_owned(),
                kind,
                name: "w".to_owned(),
            },
            uid: String::new(),
            resource_version: String::new(),
            labels: BTreeMap::new(),
            annotations: serde_json::from_value(annotations.clone()).unwrap_or_default(),
            owner: None,
            pod: serde_json::from_value(pod.clone()).unwrap(),
        };
        (object, workload)
    }

    fn pod(image: &str) -> Value {
        json!({"containers": [{"name": "agent", "image": image}]})
    }

    fn rewrite(lock: &Lock, workload: &Workload) -> Option<Rewrite> {
        let rewriter = Rewriter {
            lock,
            filter: &ImageFilter::default(),
            left_alone: &BTreeSet::from(["nodes.example/reach:1".parse().unwrap()]),
        };
        rewriter.rewrite(workload)
    }

    fn patched(lock: &Lock, workload: &Workload) -> WorkloadPatch {
        match rewrite(lock, workload) {
            Some(Rewrite::Patch(patch)) => patch,
            other => panic!("no patch but {other:?}"),
        }
    }

    /// Applies a patch as the API server does, for which a missing member is null.
    fn apply(mut object: Value, patch: &Patch) -> Result<Value, String> {
        for operation in &patch.0 {
            match operation {
                PatchOperation::Test(test) if test.value.is_null() => {
                    if object.pointer(test.path.as_str()).is_some() {
                        return Err(format!("{} is there", test.path));
                    }
                }
                other => json_patch::patch(&mut object, std::slice::from_ref(other))
                    .map_err(|error| error.to_string())?,
            }
        }
        Ok(object)
    }

    fn recorded(object: &Value) -> Value {
        let annotation = object["metadata"]["annotations"][ANNOTATION].as_str().unwrap();
        serde_json::from_str(annotation).unwrap()
    }

    #[test]
    fn every_kind_and_carrier_is_patched_and_recorded_by_name() {
        let destination = format!("{MIRROR}/{AGENT}");
        let lock = lock(&[(AGENT, &destination)]);
        let pods = [
            ("container/agent", pod(AGENT), "/containers/0/image"),
            (
                "init/gpu",
                json!({"initContainers": [{"name": "x", "image": destination}, {"name": "gpu", "image": AGENT}], "containers": []}),
                "/initContainers/1/image",
            ),
            (
                "env/c/SCANNERS_IMAGE",
                json!({"containers": [{"name": "c", "image": destination, "env": [{"name": "A", "value": "b"}, {"name": "SCANNERS_IMAGE", "value": AGENT}]}]}),
                "/containers/0/env/1/value",
            ),
        ];
        for kind in [WorkloadKind::Deployment, WorkloadKind::CronJob] {
            for annotations in [Value::Null, json!({}), json!({"other/key": "stays"})] {
                for (carrier, pod, path) in &pods {
                    let (object, workload) = workload(kind, &annotations, pod);
                    let patch = patched(&lock, &workload);
                    let after = apply(object, &patch.patch).unwrap();
                    let pointer = format!("{}{path}", kind.pod_spec_pointer());
                    assert_eq!(
                        after.pointer(&pointer),
                        Some(&json!(destination)),
                        "{kind:?} {carrier}"
                    );
                    assert_eq!(
                        recorded(&after),
                        json!({*carrier: {"from": AGENT, "to": destination}})
                    );
                    let stays = annotations.get("other/key");
                    assert_eq!(after["metadata"]["annotations"].get("other/key"), stays);
                }
            }
        }
    }

    #[test]
    fn a_patch_does_not_apply_to_what_changed() {
        let lock = lock(&[(AGENT, "registry.example/agent:v1")]);
        let (object, bare) = workload(WorkloadKind::Deployment, &Value::Null, &pod(AGENT));
        let patch = patched(&lock, &bare).patch;
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut object = object.clone();
            change(&mut object);
            apply(object, &patch)
        };
        assert!(changed(&|_| {}).is_ok());
        let container = "/spec/template/spec/containers/0";
        assert!(
            changed(&|object| object.pointer_mut(container).unwrap()["image"] = json!("other:1")).is_err()
        );
        assert!(changed(&|object| object.pointer_mut(container).unwrap()["name"] = json!("other")).is_err());
        assert!(changed(&|object| object["metadata"]["annotations"] = json!({"someone": "else"})).is_err());

        let (mut object, annotated) = workload(WorkloadKind::Deployment, &json!({"a": "b"}), &pod(AGENT));
        let patch = patched(&lock, &annotated).patch;
        object["metadata"]["annotations"][ANNOTATION] = json!("{}");
        assert!(apply(object, &patch).is_err(), "somebody else recorded something");
    }

    #[test]
    fn what_is_recorded_is_what_rollback_must_put_back() {
        let record = |from: &str, to: &str| json!({ANNOTATION: json!({"container/agent": {"from": from, "to": to}}).to_string()});
        let cases = [
            // Moved from one mirror to another: the public image stays on record.
            (
                record("public/x:1", "old.example/x:1"),
                "old.example/x:1",
                ("old.example/x:1", "registry.example/x:1"),
                "public/x:1",
            ),
            // Helm put a newer public tag back since.
            (
                record("public/x:1", "registry.example/x:1"),
                "public/x:2",
                ("public/x:2", "registry.example/x:2"),
                "public/x:2",
            ),
            // Somebody set a newer private tag: its own public source is recorded.
            (
                record("public/x:1", "registry.example/x:1"),
                "registry.example/x:2",
                ("public/x:2", "registry.example/x:2"),
                "public/x:2",
            ),
            // Not our form.
            (
                json!({ANNOTATION: "nonsense"}),
                "public/x:1",
                ("public/x:1", "registry.example/x:1"),
                "public/x:1",
            ),
        ];
        for (annotations, current, (source, destination), from) in cases {
            let lock = lock(&[(source, destination)]);
            let (object, workload) = workload(WorkloadKind::Deployment, &annotations, &pod(current));
            let after = apply(object, &patched(&lock, &workload).patch).unwrap();
            assert_eq!(
                recorded(&after),
                json!({"container/agent": {"from": from, "to": destination}}),
                "{current}"
            );
        }
    }

    #[test]
    fn other_outcomes() {
        let destination = "registry.example/agent:v1";
        let lock = lock(&[(AGENT, destination)]);
        let two =
            json!({"containers": [{"name": "agent", "image": AGENT}, {"name": "b", "image": "public/b:1"}]});
        let reached = json!({"containers": [{"name": "agent", "image": destination}, {"name": "b", "image": "nodes.example/reach:1"}]});
        let cases = [
            (
                WorkloadKind::Deployment,
                two,
                Rewrite::HeldBack("not verified in the destination: public/b:1".to_owned()),
            ),
            (WorkloadKind::Deployment, pod(destination), Rewrite::Unchanged),
            (WorkloadKind::Deployment, reached, Rewrite::Unchanged),
            (
                WorkloadKind::Job,
                pod(AGENT),
                Rewrite::Fixed("a Job's template is immutable".to_owned()),
            ),
            (WorkloadKind::Job, pod(destination), Rewrite::Unchanged),
        ];
        for (kind, pod, expected) in cases {
            let (_, workload) = workload(kind, &Value::Null, &pod);
            assert_eq!(rewrite(&lock, &workload), Some(expected), "{pod}");
        }
        let (_, mut elsewhere) = workload(WorkloadKind::Deployment, &Value::Null, &pod("shop/web:1"));
        elsewhere.name.namespace = "shop".to_owned();
        assert_eq!(rewrite(&lock, &elsewhere), None, "nothing of it is taken");
    }

    #[test]
    fn a_derived_image_holds_its_workload_back_until_it_is_verified() {
        let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
        let destination = format!("{MIRROR}/{controller}");
        let (_, workload) = workload(WorkloadKind::Deployment, &Value::Null, &pod(controller));
        let without = lock(&[(controller, &destination)]);
        assert!(
            matches!(rewrite(&without, &workload), Some(Rewrite::HeldBack(why)) if why.contains("kvisor-scanners:v1"))
        );
        let scanners = controller.replace("-controller", "-scanners");
        let with = lock(&[
            (controller, &destination),
            (&scanners, &format!("{MIRROR}/{scanners}")),
        ]);
        assert_eq!(patched(&with, &workload).changes.len(), 1);
    }

    #[test]
    fn equal_references_are_the_same_image() {
        let digest = Digest::of(b"x");
        let pinned = format!("docker.io/castai/x:1@{digest}");
        let lock = lock(&[(&pinned, &format!("{MIRROR}/docker.io/castai/x:1@{digest}"))]);
        let (_, workload) = workload(
            WorkloadKind::Deployment,
            &Value::Null,
            &pod(&format!("castai/x:1@{digest}")),
        );
        assert_eq!(
            patched(&lock, &workload).changes[0].to,
            format!("{MIRROR}/docker.io/castai/x:1@{digest}")
        );
    }

    #[test]
    fn restoring_undoes_exactly_what_is_still_ours() {
        let lock = lock(&[
            (AGENT, "registry.example/agent:v1"),
            ("b:1", "registry.example/b:1"),
        ]);
        let before =
            json!({"containers": [{"name": "agent", "image": AGENT}, {"name": "b", "image": "b:1"}]});
        for annotations in [
            json!({"a": "b"}),
            json!({"a": "b", ANNOTATION: json!({"init/gone": {"from": "x", "to": "y"}}).to_string()}),
        ] {
            let (object, original) = workload(WorkloadKind::Deployment, &annotations, &before);
            let applied = patched(&lock, &original);
            let after = apply(object.clone(), &applied.patch).unwrap();
            let (_, fresh) = workload(
                WorkloadKind::Deployment,
                &after["metadata"]["annotations"],
                &after["spec"]["template"]["spec"],
            );
            let restored = apply(after.clone(), &restoring(&fresh, &applied).unwrap()).unwrap();
            assert_eq!(restored, object);

            let mut theirs = after;
            theirs["spec"]["template"]["spec"]["containers"][0]["image"] = json!("theirs:1");
            let (_, fresh) = workload(
                WorkloadKind::Deployment,
                &theirs["metadata"]["annotations"],
                &theirs["spec"]["template"]["spec"],
            );
            let restored = apply(theirs, &restoring(&fresh, &applied).unwrap()).unwrap();
            let containers = &restored["spec"]["template"]["spec"]["containers"];
            assert_eq!(
                (&containers[0]["image"], &containers[1]["image"]),
                (&json!("theirs:1"), &json!("b:1"))
            );
        }
    }
}
