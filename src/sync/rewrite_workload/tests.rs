use jiff::Timestamp;
use json_patch::PatchOperation;
use serde_json::{Value, json};

use super::*;
use crate::model::field_manager::{FIELD_MANAGER, FieldManager};
use crate::model::image::Digest;
use crate::model::inventory::{API_VERSION, WorkloadKind};
use crate::model::lock::{Lock, LockKind};
use crate::model::record::ANNOTATION;

const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent:v1";
const MIRROR: &str = "registry.example";

fn lock(images: &[(&str, &str)]) -> Lock {
    let locked = |(source, destination): &(&str, &str)| LockedImage {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        digest: Digest::compute(b"x"),
        media_type: String::new(),
        platforms: Vec::new(),
        size: None,
        without_attestations: None,
        verified: Timestamp::UNIX_EPOCH,
        not_compared: None,
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

/// An object as in the API server, and its snapshot.
fn workload(kind: WorkloadKind, annotations: &Value, pod: &Value) -> (Value, Workload) {
    let wrapped = kind
        .pod_template_pointer()
        .rsplit('/')
        .filter(|part| !part.is_empty())
        .fold(json!({"spec": pod}), |inner, part| json!({part: inner}));
    let mut object = wrapped;
    object["metadata"] = json!({"name": "w", "namespace": "castai-agent"});
    if !annotations.is_null() {
        object["metadata"]["annotations"] = annotations.clone();
    }
    let workload = Workload {
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind,
            name: "w".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: serde_json::from_value(annotations.clone()).unwrap_or_default(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": pod})).unwrap(),
    };
    (object, workload)
}

fn pod(image: &str) -> Value {
    json!({"containers": [{"name": "agent", "image": image}]})
}

fn rewrite(lock: &Lock, workload: &Workload) -> Option<Rewrite> {
    let rewriter = Rewriter {
        destination: &lock.destinations[0],
        filter: &ImageFilter::default(),
        skipped_images: &BTreeSet::from(["nodes.example/reach:1".parse().unwrap()]),
    };
    rewriter.rewrite(workload)
}

fn patched(lock: &Lock, workload: &Workload) -> WorkloadPatch {
    match rewrite(lock, workload) {
        Some(Rewrite::Patch(patch)) => patch,
        other => panic!("no patch but {other:?}"),
    }
}

/// Applies a patch like the API server, which treats a missing member as null.
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
fn each_kind_and_image_field_is_patched_and_recorded_by_name() {
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
        for annotations in [Value::Null, json!({"other/key": "stays"})] {
            for (image_field, pod, path) in &pods {
                let (object, workload) = workload(kind, &annotations, pod);
                let patch = patched(&lock, &workload);
                let after = apply(object, &patch.patch).unwrap();
                let pointer = format!("{}/spec{path}", kind.pod_template_pointer());
                assert_eq!(after.pointer(&pointer), Some(&json!(destination)), "{kind:?} {image_field}");
                assert_eq!(recorded(&after), json!({*image_field: {"from": AGENT, "to": destination}}));
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
    assert!(changed(&|object| object.pointer_mut(container).unwrap()["image"] = json!("other:1")).is_err());
    assert!(changed(&|object| object.pointer_mut(container).unwrap()["name"] = json!("other")).is_err());
    assert!(changed(&|object| object["metadata"]["annotations"] = json!({"someone": "else"})).is_err());

    let (mut object, annotated) = workload(WorkloadKind::Deployment, &json!({"a": "b"}), &pod(AGENT));
    let patch = patched(&lock, &annotated).patch;
    object["metadata"]["annotations"][ANNOTATION] = json!("{}");
    assert!(apply(object, &patch).is_err(), "another client changed the record");
}

#[test]
fn the_record_has_the_image_that_rollback_restores() {
    let record = |from: &str, to: &str| json!({ANNOTATION: json!({"container/agent": {"from": from, "to": to}}).to_string()});
    let cases = [
        // Moved from one mirror to another: the record keeps the public image.
        (
            record("public/x:1", "old.example/x:1"),
            "old.example/x:1",
            ("old.example/x:1", "registry.example/x:1"),
            "public/x:1",
        ),
        // A newer version in the old mirror moves too, and so does an image that nodes can reach.
        (
            record("public/x:1", "old.example/flat:1"),
            "old.example/flat:2",
            ("public/x:2", "registry.example/x:2"),
            "public/x:2",
        ),
        (
            record("public/x:1", "nodes.example/reach:1"),
            "nodes.example/reach:1",
            ("public/x:1", "registry.example/x:1"),
            "public/x:1",
        ),
        // The lock only has the public image.
        (
            record("public/x:1", "old.example/x:1"),
            "old.example/x:1",
            ("public/x:1", "registry.example/x:1"),
            "public/x:1",
        ),
        // Helm has restored a newer public tag since.
        (
            record("public/x:1", "registry.example/x:1"),
            "public/x:2",
            ("public/x:2", "registry.example/x:2"),
            "public/x:2",
        ),
        // Another client set a newer private tag: its own public source is recorded.
        (
            record("public/x:1", "registry.example/x:1"),
            "registry.example/x:2",
            ("public/x:2", "registry.example/x:2"),
            "public/x:2",
        ),
        // Not our format.
        (json!({ANNOTATION: "nonsense"}), "public/x:1", ("public/x:1", "registry.example/x:1"), "public/x:1"),
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
            Rewrite::HeldBack(HeldBack::NotVerified(["public/b:1".to_owned()].into())),
        ),
        (WorkloadKind::Deployment, pod(destination), Rewrite::Unchanged),
        (WorkloadKind::Deployment, reached, Rewrite::Unchanged),
        (WorkloadKind::Job, pod(AGENT), Rewrite::NotRewritable("Jobs are immutable".to_owned())),
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
        matches!(rewrite(&without, &workload), Some(Rewrite::HeldBack(why)) if why.to_string().contains("kvisor-scanners:v1"))
    );
    let scanners = controller.replace("-controller", "-scanners");
    let with = lock(&[(controller, &destination), (&scanners, &format!("{MIRROR}/{scanners}"))]);
    assert_eq!(patched(&with, &workload).changes.len(), 1);

    // The name that kvisor derives from its controller's new name matters.
    let flat = format!("{MIRROR}/kvisor-controller:v1");
    let beside = format!("{MIRROR}/kvisor-scanners:v1");
    let unmirrored = lock(&[(controller, &flat)]);
    assert!(
        matches!(rewrite(&unmirrored, &workload), Some(Rewrite::HeldBack(why)) if why.to_string().contains(&beside))
    );
    let together = lock(&[(controller, &flat), (&scanners, &beside)]);
    assert_eq!(patched(&together, &workload).changes[0].to.as_deref(), Some(flat.as_str()));
    let pinned = format!("{controller}@{}", Digest::compute(b"x"));
    let untagged = pinned.replace(":v1@", "@");
    let (_, workload) = self::workload(WorkloadKind::Deployment, &Value::Null, &pod(&untagged));
    let lock = lock(&[(&untagged, &format!("{MIRROR}/{untagged}"))]);
    assert!(
        matches!(rewrite(&lock, &workload), Some(Rewrite::HeldBack(why)) if why.to_string().contains("name the controller by tag"))
    );
}

#[test]
fn ownership_is_relinquished_once_the_owner_names_the_verified_image() {
    let destination = format!("{MIRROR}/{AGENT}");
    let lock = lock(&[(AGENT, &destination), ("b:1", "registry.example/b:1")]);
    let manager = |index, name: &str, applies| FieldManager {
        index,
        name: name.to_owned(),
        applies,
        time: None,
        image_fields: vec![ImageField::of_container("agent")],
        fields: Some(json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"agent\"}": {"f:image": {}},
        }}}}})),
    };
    let shared = [manager(0, "helm", true), manager(1, FIELD_MANAGER, false)];
    let decide = |image: &str, beside: Option<&str>, managers: &[FieldManager]| {
        let mut pod = pod(image);
        let container = beside.map(|image| json!({"name": "b", "image": image}));
        pod["containers"].as_array_mut().unwrap().extend(container);
        let (_, mut workload) = workload(WorkloadKind::Deployment, &Value::Null, &pod);
        workload.managers = managers.to_vec();
        rewrite(&lock, &workload).unwrap()
    };
    let relinquished = vec![ImageField::of_container("agent")];
    let Rewrite::Patch(patch) = decide(&destination, None, &shared) else { panic!("no patch") };
    assert_eq!((&patch.relinquished, patch.changes.len()), (&relinquished, 0));
    // Together with another image that still has to be rewritten, in one step.
    let Rewrite::Patch(patch) = decide(&destination, Some("b:1"), &shared) else { panic!("no patch") };
    assert_eq!((&patch.relinquished, patch.changes.len()), (&relinquished, 1));
    // Helm restored the public image, or set one that is not verified.
    let Rewrite::Patch(patch) = decide(AGENT, None, &shared[..1]) else { panic!("no patch") };
    assert_eq!((patch.relinquished.len(), patch.changes.len()), (0, 1));
    assert!(matches!(decide("registry.example/c:1", None, &shared), Rewrite::HeldBack(_)));
    // The owner already owns one of the two alone.
    assert_eq!(decide(&destination, None, &shared[..1]), Rewrite::Unchanged);
    assert_eq!(decide(&destination, None, &shared[1..]), Rewrite::Unchanged);
}

#[test]
fn equal_references_are_the_same_image() {
    let digest = Digest::compute(b"x");
    let pinned = format!("docker.io/castai/x:1@{digest}");
    let lock = lock(&[(&pinned, &format!("{MIRROR}/docker.io/castai/x:1@{digest}"))]);
    let (_, workload) =
        workload(WorkloadKind::Deployment, &Value::Null, &pod(&format!("castai/x:1@{digest}")));
    assert_eq!(
        patched(&lock, &workload).changes[0].to,
        Some(format!("{MIRROR}/docker.io/castai/x:1@{digest}"))
    );
}

#[test]
fn restoring_undoes_exactly_what_is_still_ours() {
    let lock = lock(&[(AGENT, "registry.example/agent:v1"), ("b:1", "registry.example/b:1")]);
    let before = json!({"containers": [{"name": "agent", "image": AGENT}, {"name": "b", "image": "b:1"}]});
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
        assert_eq!((&containers[0]["image"], &containers[1]["image"]), (&json!("theirs:1"), &json!("b:1")));
    }
}

mod scanners;
mod volumes;
