use super::*;
use crate::model::inventory::{ImageField, Place, WorkloadKind, WorkloadName};
use crate::sync::status::{ImageStatus, NotChecked, NotReady, PullFailure};

const UNKNOWN_TAGS: &str = "; public tags not checked (use --upstream)";

fn place(name: &str) -> Place {
    let namespace = "castai-agent".to_owned();
    let kind = WorkloadKind::Deployment;
    Place::Workload(WorkloadName { cluster: "c".to_owned(), namespace, kind, name: name.to_owned() })
}

fn image(state: State, not_checked: &[(Subject, &str)]) -> ImageStatus {
    let unread =
        |(subject, cause): &(Subject, &str)| NotChecked { subject: *subject, cause: (*cause).to_owned() };
    ImageStatus {
        not_at_source: false,
        place: place("w"),
        image_field: ImageField::of_container("a"),
        image: "e.example/x:v1".parse().unwrap(),
        source: None,
        destination: None,
        state,
        mirrored: None,
        restore_command: None,
        not_checked: not_checked.iter().map(unread).collect(),
        newer: None,
        changed_by: None,
        ownership: None,
        owners: Vec::new(),
    }
}

fn unread(subject: Subject, cause: &str) -> ImageStatus {
    image(State::Unchecked(cause.to_owned()), &[(subject, cause)])
}

/// The same for another image.
fn other(name: &str, status: ImageStatus) -> ImageStatus {
    ImageStatus { image: format!("e.example/{name}:v1").parse().unwrap(), ..status }
}

fn failure(name: &str, pods: &[&str]) -> PullFailure {
    PullFailure {
        place: place(name),
        image_field: ImageField::of_container("a"),
        image: "e.example/x:v1".to_owned(),
        reason: "ErrImagePull".to_owned(),
        message: String::new(),
        pods: pods.iter().map(|pod| (*pod).to_owned()).collect(),
        outdated: false,
    }
}

fn report(images: Vec<ImageStatus>) -> StatusReport {
    StatusReport {
        api_version: "v",
        kind: "StatusReport",
        destinations: vec!["e.example".parse().unwrap()],
        images,
        pull_failures: Vec::new(),
        not_ready: Vec::new(),
        older_digests: Vec::new(),
        skipped: vec![Subject::PublicTags],
        selected_by: Vec::new(),
        notes: Vec::new(),
        unlisted: Vec::new(),
        unreadable: Vec::new(),
        not_read: Vec::new(),
    }
}

#[track_caller]
fn assert_verdict(report: &StatusReport, expected: &str) {
    assert_eq!(conclusion(report, false).as_deref(), Some(expected));
    assert_eq!(!expected.starts_with("up to date"), report.needs_attention(), "{expected}");
}

#[test]
fn pods_with_an_older_digest_are_counted_and_named() {
    let older = |name: &str, pods: &[&str]| crate::sync::status::OlderDigest {
        place: place(name),
        image_field: ImageField::of_container("a"),
        image: "e.example/x:v1".parse().unwrap(),
        running: "sha256:1".to_owned(),
        current: "sha256:2".to_owned(),
        image_pull_policy: "Always".to_owned(),
        pods: pods.iter().map(|pod| (*pod).to_owned()).collect(),
    };
    let with = |older_digests| StatusReport { older_digests, ..report(vec![image(State::Mirrored, &[])]) };
    assert_verdict(
        &with(vec![older("w", &["w-1"])]),
        "1 pod of deployment.apps/w runs an older digest of the image's tag: see the hint above",
    );
    assert_verdict(
        &with(vec![older("w", &["w-1", "w-2"]), older("v", &["v-1"])]),
        "3 pods of deployment.apps/v, deployment.apps/w run an older digest of the image's tag: see the hint above",
    );
}

#[test]
fn archived_images_are_copied_again_or_restored_by_hand() {
    let archived = |state, source: Option<&str>| ImageStatus {
        source: source.map(|source| source.parse().unwrap()),
        destination: Some("e.example/x:v1".parse().unwrap()),
        mirrored: Some(false),
        restore_command: Some("aws ecr update-image-storage-class".to_owned()),
        ..image(state, &[])
    };
    let known = || archived(State::Archived, Some("x:v1"));
    let unknown = || archived(State::Archived, None);
    let sync = "run kubectl castai-privatelink sync-images";
    let by_hand = "1 image of unknown source is archived in the registry: restore with the hint above";
    let command = ["hint: restore archived images:", "  aws ecr update-image-storage-class"];
    let cases: [(Vec<ImageStatus>, String, &[&str]); 4] = [
        (vec![known()], format!("1 archived in the registry: {sync}"), &[]),
        (vec![unknown(), unknown()], by_hand.to_owned(), &command),
        (vec![known(), unknown()], format!("1 archived in the registry: {sync}; {by_hand}"), &command),
        // The registry is not new: it has had the image before.
        (vec![archived(State::NotRewritten, Some("x:v1"))], format!("1 not rewritten: {sync}"), &[]),
    ];
    for (images, verdict, hint) in cases {
        let report = report(images);
        assert_verdict(&report, &verdict);
        assert_eq!(restore_hint(&report), hint, "{verdict}");
    }
}

#[test]
fn newer_versions_are_counted_by_image() {
    let newer = Some(crate::sync::status::NewerVersions { count: 2, latest: "v3".to_owned() });
    let outdated = || ImageStatus { newer: newer.clone(), ..image(State::Mirrored, &[]) };
    let checked = |images| StatusReport { skipped: Vec::new(), ..report(images) };
    assert_verdict(
        &checked(vec![outdated(), outdated()]),
        "up to date; 1 image has newer versions at its source",
    );
    assert_verdict(
        &checked(vec![outdated(), other("y", outdated())]),
        "up to date; 2 images have newer versions at their sources",
    );
}

#[test]
fn the_verdict_nothing_to_do_covers_only_what_was_checked() {
    let good = || vec![image(State::Mirrored, &[])];
    assert_verdict(&report(good()), &format!("up to date{UNKNOWN_TAGS}"));
    assert_verdict(&StatusReport { skipped: Vec::new(), ..report(good()) }, "up to date");
    assert_verdict(
        &StatusReport { selected_by: vec!["-n", "--only"], skipped: Vec::new(), ..report(good()) },
        "up to date; the rest of the cluster was not checked (-n, --only)",
    );
    let notes = vec!["cannot list secrets".to_owned()];
    assert_verdict(
        &StatusReport { notes: notes.clone(), ..report(good()) },
        &format!("up to date in the readable part of the cluster{UNKNOWN_TAGS}"),
    );
    let not_looked = image(State::Unchecked("the registry was not read".to_owned()), &[]);
    let skipped = vec![Subject::Registry, Subject::PublicTags];
    let cluster_only = StatusReport { skipped, ..report(vec![not_looked]) };
    assert_verdict(&cluster_only, "up to date in the cluster; the registry was not checked (--cluster-only)");
    assert_verdict(
        &StatusReport { notes, ..cluster_only },
        "up to date in the readable part of the cluster; the registry was not checked (--cluster-only)",
    );
    let unknown = image(State::SourceUnknown("add --map".to_owned()), &[]);
    let others = vec![image(State::Skipped("near".to_owned()), &[]), unknown];
    assert_verdict(
        &report(others),
        &format!(
            "up to date{UNKNOWN_TAGS}; 1 image skipped, in registries that are not checked; 1 image of unknown \
             source (set it with --map)"
        ),
    );
    let unknown = image(State::SourceUnknown("add --map".to_owned()), &[]);
    assert_verdict(
        &report(vec![image(State::Missing, &[]), other("y", unknown)]),
        "1 missing in the registry: run kubectl castai-privatelink sync-images; 1 image of unknown source (set it with \
         --map)",
    );
    let unknown = image(State::SourceUnknown("u".to_owned()), &[(Subject::PublicTags, "add --map")]);
    assert_verdict(
        &StatusReport { skipped: Vec::new(), ..report(vec![unknown]) },
        "public tags not checked: 1 image: add --map",
    );
    let nothing_found = StatusReport { destinations: Vec::new(), ..report(Vec::new()) };
    assert_eq!(conclusion(&nothing_found, false), None, "that no image was found is an error of its own");
}

#[test]
fn unchecked_images_are_reported_with_the_cause() {
    let (registry, tags) = (Subject::Registry, Subject::PublicTags);
    assert_verdict(
        &report(vec![unread(registry, "AWS denies it"), other("y", unread(registry, "AWS denies it"))]),
        "not checked: 2 images in e.example: AWS denies it",
    );
    // One image in two containers.
    assert_verdict(
        &report(vec![unread(registry, "AWS denies it"), unread(registry, "AWS denies it")]),
        "not checked: 1 image in e.example: AWS denies it",
    );
    assert_verdict(
        &report(vec![
            unread(registry, "a"),
            other("y", unread(registry, "b")),
            other("z", unread(registry, "b")),
        ]),
        "not checked: 3 images in e.example: 2 causes, such as: b",
    );
    assert_verdict(&report(vec![unread(tags, "no answer")]), "public tags not checked: 1 image: no answer");
    let elsewhere = || image(State::OtherRegistry("o.example/team".to_owned()), &[]);
    assert_verdict(
        &report(vec![elsewhere(), other("y", elsewhere())]),
        "not checked: 2 images in o.example/team (check with --registry o.example/team)",
    );
    assert_verdict(
        &report(vec![image(State::TagRemoved("no v1".to_owned()), &[])]),
        "the public tag of 1 image was removed",
    );
    assert_verdict(
        &report(vec![ImageStatus {
            not_at_source: true,
            ..image(State::Upgraded("e.example/x:v0".to_owned()), &[])
        }]),
        "1 upgraded: run kubectl castai-privatelink sync-images; 1 image has a tag that its source does not have: \
         use another version",
    );
    let long = "x".repeat(5_000);
    let both = report(vec![unread(registry, &long), unread(tags, &long), elsewhere()]);
    let text = conclusion(&both, false).unwrap();
    assert!(text.len() < 1_500 && text.contains("; public tags not checked: 1 image"), "{text}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let unlisted = vec!["daemonsets.apps".to_owned(), "pods".to_owned()];
    let unreadable = vec!["pod/a in namespace castai-agent: container/a: invalid".to_owned()];
    let good = || report(vec![image(State::Mirrored, &[])]);
    assert_verdict(
        &StatusReport { unlisted: unlisted.clone(), ..good() },
        "incomplete: cannot list daemonsets.apps, pods: grant the role of `kubectl castai-privatelink permissions rbac` and run again",
    );
    assert_verdict(
        &StatusReport { unlisted, unreadable, ..good() },
        "incomplete: cannot list daemonsets.apps, pods: grant the role of `kubectl castai-privatelink permissions rbac` and run again; \
         pod/a in namespace castai-agent: container/a: invalid",
    );
}

#[test]
fn pods_that_cannot_pull_are_counted_once_and_named() {
    let failing =
        |failures| StatusReport { pull_failures: failures, ..report(vec![image(State::Mirrored, &[])]) };
    assert_verdict(
        &failing(vec![failure("a", &["a-1"])]),
        "1 pod cannot pull its image: deployment.apps/a (ErrImagePull): run kubectl describe pod -n castai-agent a-1",
    );
    // Two containers of one pod.
    assert_verdict(
        &failing(vec![failure("a", &["a-1", "a-2"]), failure("a", &["a-2"])]),
        "2 pods cannot pull their images: deployment.apps/a (ErrImagePull): run kubectl describe pod -n castai-agent \
         a-1",
    );
    assert_verdict(
        &failing(["a", "b", "c", "d", "e"].map(|name| failure(name, &[name])).to_vec()),
        "5 pods cannot pull their images: deployment.apps/a (ErrImagePull), deployment.apps/b (ErrImagePull), \
         deployment.apps/c (ErrImagePull) and 2 more: run kubectl describe pod -n castai-agent a",
    );
    // Another command fixes these.
    let outdated = PullFailure { outdated: true, ..failure("a", &["a-1"]) };
    assert_verdict(
        &failing(vec![outdated]),
        "1 pod cannot pull its image: deployment.apps/a (ErrImagePull): run kubectl delete pod -n castai-agent a-1",
    );
    let Place::Workload(name) = place("a") else { panic!("a workload") };
    let job = Place::Workload(WorkloadName { kind: WorkloadKind::Job, ..name });
    assert_verdict(
        &failing(vec![PullFailure { place: job, ..failure("a", &["a-1"]) }]),
        "1 pod cannot pull its image: job.batch/a (ErrImagePull): delete and recreate it with the private image",
    );
    let nothing_found = StatusReport {
        images: Vec::new(),
        destinations: Vec::new(),
        ..failing(vec![failure("a", &["a-1"])])
    };
    assert!(conclusion(&nothing_found, false).is_some());
}

#[test]
fn all_that_needs_attention_is_in_one_line() {
    let images = vec![
        image(State::Reverted("x".to_owned()), &[(Subject::Registry, "denied")]),
        image(State::Missing, &[]),
        image(State::Behind("x".to_owned()), &[]),
    ];
    let report = StatusReport {
        pull_failures: vec![failure("a", &["a-1"])],
        unlisted: vec!["jobs.batch".to_owned()],
        ..report(images)
    };
    assert_eq!(
        conclusion(&report, true).unwrap(),
        "1 reverted, 1 missing in the registry, 1 behind the public tag: run kubectl castai-privatelink \
         sync-images with the same flags; 1 pod cannot pull its image: deployment.apps/a (ErrImagePull); not checked: \
         1 image in e.example: denied; incomplete: cannot list jobs.batch: grant the role of `kubectl castai-privatelink permissions rbac` and run again"
    );
    let skipped = vec![Subject::Registry, Subject::PublicTags];
    let cluster_only = StatusReport { skipped, ..report };
    assert!(
        conclusion(&cluster_only, false)
            .unwrap()
            .ends_with("; the registry was not checked (--cluster-only)")
    );
}

#[test]
fn workloads_that_are_not_ready_are_named() {
    let one = |name: &str, reason: &str| NotReady {
        workload: match place(name) {
            Place::Workload(name) => name,
            other => panic!("{other:?}"),
        },
        replicas: None,
        reason: reason.to_owned(),
        message: String::new(),
        pods: Vec::new(),
        crashes: false,
    };
    let mut report = report(vec![image(State::Mirrored, &[])]);
    report.not_ready = vec![one("a", "Unschedulable")];
    let run = "run kubectl describe";
    let one_is = "1 workload is not ready: deployment.apps/a (Unschedulable)";
    assert_verdict(&report, &format!("{one_is}: {run} -n castai-agent deployment.apps/a"));
    report.not_ready[0].pods.push("a-1".to_owned());
    report.not_ready.push(one("b", "CrashLoopBackOff"));
    let both = "deployment.apps/a (Unschedulable), deployment.apps/b (CrashLoopBackOff)";
    let both_are = format!("2 workloads are not ready: {both}: {run} pod -n castai-agent a-1");
    assert_verdict(&report, &both_are);
    report.not_ready.push(one("c", "RolloutNotFinished"));
    let rollout =
        format!("1 rollout is not finished: deployment.apps/c: {run} -n castai-agent deployment.apps/c");
    assert_verdict(&report, &format!("{both_are}; {rollout}"));
    report.not_ready.drain(..2);
    assert_verdict(&report, &rollout);
}

#[test]
fn a_registry_before_the_first_run_is_told_apart_from_drift() {
    let with = |state, mirrored| ImageStatus { mirrored, ..image(state, &[]) };
    let absent = || with(State::NotRewritten, Some(false));
    let run = "run kubectl castai-privatelink sync-images";
    let not_mirrored = "not mirrored yet, and not used from the registry";
    let hook = ImageStatus {
        destination: Some("e.example/mirror/y:v1".parse().unwrap()),
        ..with(State::Missing, Some(false))
    };
    let cases = [
        (vec![absent()], format!("1 image is {not_mirrored}: {run}")),
        (vec![absent(), hook], format!("2 images are {not_mirrored}: {run}")),
        (
            vec![absent(), other("y", with(State::Missing, Some(false)))],
            format!("1 not rewritten, 1 missing in the registry: {run}"),
        ),
        (vec![absent(), other("y", with(State::Mirrored, Some(true)))], format!("1 not rewritten: {run}")),
        (vec![with(State::NotRewritten, Some(true))], format!("1 not rewritten: {run}")),
        (vec![with(State::NotRewritten, None)], format!("1 not rewritten: {run}")),
    ];
    for (images, expected) in cases {
        assert_verdict(&report(images), &expected);
    }
}

#[test]
fn optional_sources_that_were_not_read_are_named_and_change_nothing_else() {
    let mut report = report(vec![image(State::Mirrored, &[])]);
    report.not_read = vec!["Helm releases".to_owned(), "nodes".to_owned()];
    assert_verdict(&report, &format!("up to date{UNKNOWN_TAGS}; not read: Helm releases, nodes"));
}
