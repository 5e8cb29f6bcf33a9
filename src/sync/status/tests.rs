use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::cluster::release::{Chart, Release, ReleaseName};
use crate::model::field_manager::FieldManager;
use crate::model::inventory::{Cluster, ImageField, WorkloadKind, WorkloadName};
use crate::model::name_map::NameMap;
use crate::model::record::ANNOTATION;
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assignment::assign;

const PUBLIC: &str = "ghcr.io/castai/x:v1";
const OURS: &str = "e.example/ghcr.io/castai/x:v1";
const PATH: &str = "ghcr.io/castai/x";

fn workload(image: &str, records: &Value, kind: WorkloadKind) -> Workload {
    Workload {
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind,
            name: "w".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: [
            (ANNOTATION.to_owned(), records.to_string()),
            ("meta.helm.sh/release-name".to_owned(), "r".to_owned()),
        ]
        .into(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": image}]}}))
            .unwrap(),
        has_ended: false,
        replicas: None,
        managers: vec![FieldManager {
            name: "helm".to_owned(),
            applies: false,
            time: Some(Timestamp::UNIX_EPOCH),
            image_fields: vec![ImageField::of_container("a")],
            index: 0,
            fields: None,
        }],
    }
}

fn inventory(workloads: &[Workload]) -> Inventory {
    let found = Found { workloads, ..Found::default() };
    discover(Vec::<Cluster>::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH)
}

fn judged(workload: &Workload, seen: Option<&RegistrySnapshot>) -> Vec<ImageStatus> {
    judged_with(&[], workload, seen)
}

fn judged_with(maps: &[NameMap], workload: &Workload, seen: Option<&RegistrySnapshot>) -> Vec<ImageStatus> {
    let workloads = [workload.clone()];
    let mirror = "e.example".parse().unwrap();
    let assignments = assign(&inventory(&workloads), &mirror, maps, None);
    statuses(&workloads, &assignments, seen, &OwnershipContext::default())
}

fn digest(text: &str) -> Digest {
    Digest::compute(text.as_bytes())
}

/// A registry with `tags` in one repository, each with its own digest.
fn registry(tags: &[&str]) -> RegistrySnapshot {
    let tags: BTreeMap<_, _> = tags.iter().map(|tag| ((*tag).to_owned(), digest(tag))).collect();
    let listing = Listing { digests: tags.values().cloned().collect(), tags };
    RegistrySnapshot {
        repositories: [(PATH.to_owned(), Ok(Some(listing)))].into(),
        ..RegistrySnapshot::default()
    }
}

fn with_source(registry: RegistrySnapshot, tag: PublicTag) -> RegistrySnapshot {
    let tags = [(PUBLIC.parse().unwrap(), tag)].into();
    RegistrySnapshot { sources: Some(SourceSnapshot { tags, ..SourceSnapshot::default() }), ..registry }
}

fn silent() -> PublicTag {
    PublicTag::Unread("no answer".to_owned())
}

fn unreadable() -> RegistrySnapshot {
    RegistrySnapshot {
        repositories: [(PATH.to_owned(), Err("denied".to_owned()))].into(),
        ..RegistrySnapshot::default()
    }
}

fn other(registry: &str) -> State {
    State::OtherRegistry(registry.to_owned())
}

/// Current image, our record, responses of registries, with the expected state, and whether the registry has it.
type Case<'a> = (&'a str, &'a Value, Option<&'a RegistrySnapshot>, State, Option<bool>);

#[test]
fn every_image_has_its_state() {
    let ours = json!({"container/a": {"from": PUBLIC, "to": OURS}});
    let none = json!({});
    let holds = registry(&["v1"]);
    let empty = registry(&[]);
    let moved = with_source(registry(&["v1"]), PublicTag::Names(digest("v1, again")));
    let unmoved = with_source(registry(&["v1"]), PublicTag::Names(digest("v1")));
    let withdrawn = with_source(registry(&["v1"]), PublicTag::TagRemoved("no v1".to_owned()));
    let unreadable = unreadable();
    let silent = with_source(registry(&["v1"]), silent());
    let (there, gone) = (format!("{OURS}@{}", digest("v1")), format!("{OURS}@{}", digest("v1, before")));
    let elsewhere = json!({"container/a": {"from": PUBLIC, "to": "o.example/team/ghcr.io/castai/x:v1"}});
    let flat = json!({"container/a": {"from": PUBLIC, "to": "o.example/flat:v1"}});
    let short = json!({"container/a": {"from": "castai/z:v1", "to": "e.example/castai/z:v1"}});
    let forged = json!({"container/a": {"from": "not an image", "to": PUBLIC}});
    let archived = RegistrySnapshot {
        archived: [(OURS.parse().unwrap(), "aws ecr …".to_owned())].into(),
        ..registry(&["v0"])
    };
    let cases: [Case<'_>; 27] = [
        (&there, &none, Some(&holds), State::Mirrored, Some(true)),
        // Its tag exists, but has another digest.
        (&gone, &none, Some(&holds), State::Missing, Some(false)),
        (OURS, &ours, Some(&holds), State::Mirrored, Some(true)),
        (OURS, &ours, Some(&unmoved), State::Mirrored, Some(true)),
        (OURS, &ours, Some(&silent), State::Unchecked("no answer".to_owned()), Some(true)),
        (OURS, &ours, Some(&withdrawn), State::TagRemoved("no v1".to_owned()), Some(true)),
        // The public tag does not matter if nothing is mirrored.
        (PUBLIC, &none, Some(&silent), State::NotRewritten, Some(true)),
        (OURS, &ours, Some(&moved), State::Behind(digest("v1, again").to_string()), Some(true)),
        (OURS, &ours, Some(&empty), State::Missing, Some(false)),
        (OURS, &ours, Some(&archived), State::Archived, Some(false)),
        (PUBLIC, &none, Some(&archived), State::NotRewritten, Some(false)),
        (OURS, &ours, None, State::Unchecked("the registry was not read".to_owned()), None),
        (OURS, &ours, Some(&unreadable), State::Unchecked("denied".to_owned()), None),
        // Set by a Helm value, without a record of ours.
        (OURS, &none, Some(&holds), State::Mirrored, Some(true)),
        ("e.example/ghcr.io/castai/x:v2", &ours, Some(&holds), State::Missing, Some(false)),
        (PUBLIC, &none, Some(&holds), State::NotRewritten, Some(true)),
        (PUBLIC, &none, Some(&empty), State::NotRewritten, Some(false)),
        (PUBLIC, &none, None, State::NotRewritten, None),
        (PUBLIC, &ours, Some(&holds), State::Reverted(OURS.to_owned()), Some(true)),
        (PUBLIC, &ours, Some(&unreadable), State::Reverted(OURS.to_owned()), None),
        ("o.example/team/ghcr.io/castai/x:v1", &elsewhere, Some(&holds), other("o.example/team"), Some(true)),
        ("o.example/team/ghcr.io/castai/x:v1", &elsewhere, None, other("o.example/team"), None),
        // No rule results in that name.
        ("o.example/flat:v1", &flat, Some(&holds), other("o.example"), Some(true)),
        // Anyone may write a record, so it proves nothing.
        (PUBLIC, &forged, Some(&holds), other("ghcr.io"), Some(true)),
        // An upgrade with the chart's default values is not a reversion.
        ("ghcr.io/castai/x:v2", &ours, Some(&holds), State::Upgraded(PUBLIC.to_owned()), Some(false)),
        ("ghcr.io/castai/y:v1", &ours, Some(&holds), State::Upgraded(PUBLIC.to_owned()), None),
        (
            "docker.io/castai/z:v1",
            &short,
            Some(&holds),
            State::Reverted("e.example/castai/z:v1".to_owned()),
            None,
        ),
    ];
    for (image, records, seen, state, mirrored) in cases {
        let statuses = judged(&workload(image, records, WorkloadKind::Deployment), seen);
        let [status] = statuses.as_slice() else { panic!("{statuses:?}") };
        assert_eq!((&status.state, status.mirrored), (&state, mirrored), "{image} {records}");
        let is_changed = matches!(state, State::Reverted(_) | State::Upgraded(_));
        assert_eq!(status.changed_by.is_some(), is_changed, "{image}");
        let is_archived = seen.is_some_and(|seen| !seen.archived.is_empty());
        assert_eq!(status.restore_command.is_some(), is_archived, "{image}");
        assert_eq!(status.owners.len(), 1, "its Helm release is named");
    }
}

#[test]
fn a_tag_that_the_source_does_not_have_is_named_whatever_else_is_wrong() {
    let ours = json!({"container/a": {"from": PUBLIC, "to": OURS}});
    let none = json!({});
    let gone = |tags: &[&str]| with_source(registry(tags), PublicTag::TagRemoved("no v1".to_owned()));
    let upgraded =
        json!({"container/a": {"from": "ghcr.io/castai/x:v0", "to": "e.example/ghcr.io/castai/x:v0"}});
    let cases = [
        (PUBLIC, &upgraded, gone(&[]), State::Upgraded("ghcr.io/castai/x:v0".to_owned()), true),
        (PUBLIC, &ours, gone(&[]), State::Reverted(OURS.to_owned()), true),
        (PUBLIC, &none, gone(&[]), State::NotRewritten, true),
        (OURS, &ours, gone(&[]), State::Missing, true),
        (OURS, &ours, gone(&["v1"]), State::TagRemoved("no v1".to_owned()), false),
        (PUBLIC, &none, registry(&[]), State::NotRewritten, false),
    ];
    for (image, records, seen, state, not_at_source) in cases {
        let statuses = judged(&workload(image, records, WorkloadKind::Deployment), Some(&seen));
        let [status] = statuses.as_slice() else { panic!("{statuses:?}") };
        assert_eq!((&status.state, status.not_at_source), (&state, not_at_source), "{image} {records}");
    }
}

/// Current image, our record, its kind, responses of registries, with what could not be read, and whether it needs
/// attention.
type UnreadCase<'a> = (&'a str, &'a Value, WorkloadKind, Option<&'a RegistrySnapshot>, Vec<NotChecked>, bool);

#[test]
fn unchecked_images_are_never_reported_as_good() {
    let ours = json!({"container/a": {"from": PUBLIC, "to": OURS}});
    let none = json!({});
    let (registry_unread, both_unread) = (unreadable(), with_source(unreadable(), silent()));
    let source_unread = with_source(registry(&["v1"]), silent());
    let refused = RegistrySnapshot::unread(&[], "refused");
    let read = with_source(registry(&["v1"]), PublicTag::Names(digest("v1")));
    let unread = |subject, cause: &str| NotChecked { subject, cause: cause.to_owned() };
    let denied = unread(Subject::Registry, "denied");
    let no_answer = unread(Subject::PublicTags, "no answer");
    let never = unread(Subject::Registry, "the registry was not queried for it");
    let near = "e.example/flat:v1";
    let (deployment, job) = (WorkloadKind::Deployment, WorkloadKind::Job);
    let cases: [UnreadCase<'_>; 12] = [
        (OURS, &ours, deployment, Some(&read), vec![], false),
        (OURS, &ours, deployment, Some(&registry_unread), vec![denied.clone()], true),
        (OURS, &ours, deployment, Some(&source_unread), vec![no_answer.clone()], true),
        (OURS, &ours, deployment, Some(&both_unread), vec![denied.clone(), no_answer.clone()], true),
        // An image without any response does not count as checked.
        (OURS, &ours, deployment, Some(&refused), vec![never.clone()], true),
        // The user chose not to read the registry.
        (OURS, &ours, deployment, None, vec![], false),
        // Other problems do not hide that it was not checked.
        (PUBLIC, &ours, deployment, Some(&registry_unread), vec![denied.clone()], true),
        (PUBLIC, &none, deployment, Some(&both_unread), vec![denied.clone(), no_answer.clone()], true),
        // Its copy in the registry is all that can be checked.
        (PUBLIC, &none, job, Some(&registry_unread), vec![denied], true),
        (PUBLIC, &none, job, Some(&source_unread), vec![no_answer], true),
        (PUBLIC, &none, job, None, vec![], false),
        (near, &none, deployment, Some(&registry_unread), vec![never], true),
    ];
    for (image, records, kind, seen, not_checked, needs_attention) in cases {
        let statuses = judged(&workload(image, records, kind), seen);
        let [status] = statuses.as_slice() else { panic!("{statuses:?}") };
        assert_eq!(status.not_checked, not_checked, "{image} {records} {kind:?}");
        assert_eq!(status.needs_attention(), needs_attention, "{image} {records} {kind:?}");
        let is_good = matches!(status.state, State::Mirrored | State::NotRewritable(_));
        assert!(!is_good || not_checked.is_empty(), "{status:?}");
    }
    let unread = RegistrySnapshot::unread(
        &assign(&inventory(&[workload(OURS, &ours, deployment)]), &"e.example".parse().unwrap(), &[], None),
        "refused",
    );
    let statuses = judged(&workload(OURS, &ours, deployment), Some(&unread));
    assert_eq!(statuses[0].state, State::Unchecked("refused".to_owned()));
}

#[test]
fn newer_versions_at_the_source_are_counted_and_unread_ones_named() {
    let tags = |tags: Result<Vec<String>, String>| {
        let read = with_source(registry(&["v1.0.0"]), PublicTag::Names(digest("v1.0.0")));
        let versions = [(("ghcr.io".to_owned(), "castai/x".to_owned()), tags)].into();
        let sources = read.sources.map(|sources| SourceSnapshot { versions, ..sources });
        RegistrySnapshot { sources, ..read }
    };
    let judged = |tags: &RegistrySnapshot| {
        judged(
            &workload("e.example/ghcr.io/castai/x:v1.0.0", &json!({}), WorkloadKind::Deployment),
            Some(tags),
        )
        .remove(0)
    };
    let both = ["v0.9.0", "v1.0.0", "v1.1.0", "v1.2.0"].map(str::to_owned).to_vec();
    let status = judged(&tags(Ok(both)));
    let newer = NewerVersions { count: 2, latest: "v1.2.0".to_owned() };
    assert_eq!((status.newer.as_ref(), status.needs_attention()), (Some(&newer), false));
    let status = judged(&tags(Err("denied".to_owned())));
    let unread = NotChecked { subject: Subject::PublicTags, cause: "denied".to_owned() };
    assert_eq!((status.newer, status.not_checked), (None, vec![unread]));
}

#[test]
fn a_moved_tag_of_an_image_that_is_not_rewritable_is_reported() {
    let moved = with_source(registry(&["v1"]), PublicTag::Names(digest("v2")));
    let state = |seen: &RegistrySnapshot| {
        judged(&workload(PUBLIC, &json!({}), WorkloadKind::Job), Some(seen))[0].state.clone()
    };
    assert_eq!(state(&moved), State::Behind(digest("v2").to_string()));
    let withdrawn = with_source(registry(&["v1"]), PublicTag::TagRemoved("gone".to_owned()));
    assert_eq!(state(&withdrawn), State::TagRemoved("gone".to_owned()));
}

#[test]
fn images_that_only_a_release_has_are_judged_there() {
    let manifest = |name: &str| {
        format!(
            "kind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{containers: [{{name: a, image: {PUBLIC}}}]}}}}}}"
        )
    };
    let releases = [Release {
        name: ReleaseName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            name: "r".to_owned(),
        },
        chart: Chart { name: "castai-agent".to_owned(), version: "1.0.0".to_owned() },
        manifest: format!("{}\n---\n{}", manifest("w"), manifest("gone")),
        hooks: Vec::new(),
        set: BTreeSet::new(),
    }];
    let workloads =
        [workload(OURS, &json!({"container/a": {"from": PUBLIC, "to": OURS}}), WorkloadKind::Deployment)];
    let found = Found { workloads: &workloads, releases: &releases, ..Found::default() };
    let inventory =
        discover(Vec::<Cluster>::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
    let assignments = assign(&inventory, &"e.example".parse().unwrap(), &[], None);
    let states = |seen: &RegistrySnapshot| -> Vec<(bool, State)> {
        let judged = statuses(&workloads, &assignments, Some(seen), &OwnershipContext::default());
        judged.into_iter().map(|status| (matches!(status.place, Place::Workload(_)), status.state)).collect()
    };
    assert_eq!(states(&registry(&["v1"])), [(true, State::Mirrored), (false, State::Mirrored)]);
    assert_eq!(states(&registry(&[])), [(true, State::Missing), (false, State::Missing)]);
}

#[test]
fn images_that_are_not_rewritable_only_have_to_be_mirrored() {
    let job = workload(PUBLIC, &json!({}), WorkloadKind::Job);
    let statuses = judged(&job, Some(&registry(&["v1"])));
    assert!(
        matches!(&statuses[0].state, State::NotRewritable(why) if why.contains("immutable")),
        "{statuses:?}"
    );
    assert!(!statuses[0].state.needs_attention());
    assert_eq!(judged(&job, Some(&registry(&[])))[0].state, State::Missing);
    let flat = workload("e.example/flat:v1", &json!({}), WorkloadKind::Deployment);
    let statuses = judged(&flat, None);
    assert!(matches!(&statuses[0].state, State::SourceUnknown(why) if why.contains("--map")), "{statuses:?}");
}

#[test]
fn an_unknown_source_needs_attention_where_sources_are_to_be_compared() {
    let flat = workload("e.example/flat:v1", &json!({}), WorkloadKind::Deployment);
    let listing = Listing { tags: [("v1".to_owned(), digest("v1"))].into(), ..Listing::default() };
    let repositories = [("flat".to_owned(), Ok(Some(listing)))].into();
    let registry = RegistrySnapshot { repositories, ..RegistrySnapshot::default() };
    let status = judged(&flat, Some(&registry)).remove(0);
    assert!(matches!(status.state, State::SourceUnknown(_)) && !status.needs_attention(), "{status:?}");
    let compared = RegistrySnapshot { sources: Some(SourceSnapshot::default()), ..registry };
    let status = judged(&flat, Some(&compared)).remove(0);
    assert!(matches!(status.state, State::SourceUnknown(_)) && status.needs_attention(), "{status:?}");
    assert_eq!(status.not_checked[0].subject, Subject::PublicTags);
    assert!(status.not_checked[0].cause.contains("--map"), "{status:?}");
}

#[test]
fn a_derived_image_is_judged_by_its_container() {
    let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
    let ours = json!({"container/a": {"from": controller, "to": format!("e.example/{controller}")}});
    let state = |image: &str, records: &Value, tags: &[&str]| {
        let listing = |tags: &[&str]| Listing {
            tags: tags.iter().map(|tag| ((*tag).to_owned(), digest(tag))).collect(),
            ..Listing::default()
        };
        let seen = RegistrySnapshot {
            repositories: [
                ("ghcr.io/castai/kvisor/kvisor-controller".to_owned(), Ok(Some(listing(&["v1"])))),
                ("ghcr.io/castai/kvisor/kvisor-scanners".to_owned(), Ok(Some(listing(tags)))),
            ]
            .into(),
            ..RegistrySnapshot::default()
        };
        let statuses = judged(&workload(image, records, WorkloadKind::Deployment), Some(&seen));
        let derived = statuses.iter().find(|status| !status.image_field.is_in_object()).unwrap();
        derived.state.clone()
    };
    let private = format!("e.example/{controller}");
    assert_eq!(state(&private, &ours, &["v1"]), State::Mirrored);
    assert_eq!(state(&private, &ours, &[]), State::Missing);
    assert_eq!(state(controller, &json!({}), &["v1"]), State::Mirrored);
}

#[test]
fn scanners_whose_variable_was_removed_count_as_reverted() {
    let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
    let scanners = "ghcr.io/castai/kvisor/kvisor-scanners:v1";
    let (private, scanner_image) = ("e.example/kvisor:v1".to_owned(), format!("e.example/{scanners}"));
    let record = json!({"from": controller, "to": private});
    let ours = json!({"container/a": record, "env/a/SCANNERS_IMAGE": {"to": scanner_image}});
    let untold = json!({"container/a": record});
    let next = "e.example/kvisor:v2".to_owned();
    let cases = [
        (private.as_str(), &ours, Some(scanner_image.as_str()), State::Mirrored),
        (&private, &ours, None, State::Reverted(scanner_image.clone())),
        (&private, &untold, None, State::NotRewritten),
        // An upgrade that the variable does not follow yet.
        (&next, &ours, Some(&scanner_image), State::NotRewritten),
        // If an owner restores the public controller, only that is reported.
        (controller, &ours, Some(&scanner_image), State::Mirrored),
    ];
    for (image, records, variable, expected) in cases {
        let mut workload = workload(image, records, WorkloadKind::Deployment);
        let env = variable.map(|value| json!([{"name": "SCANNERS_IMAGE", "value": value}]));
        let pod = json!({"spec": {"containers": [{"name": "a", "image": image, "env": env}]}});
        workload.pod = serde_json::from_value(pod).unwrap();
        let digests = |tag: &&str| ((*tag).to_owned(), digest(tag));
        let listing = Listing { tags: ["v1", "v2"].iter().map(digests).collect(), ..Listing::default() };
        let paths =
            ["kvisor", "ghcr.io/castai/kvisor/kvisor-controller", "ghcr.io/castai/kvisor/kvisor-scanners"];
        let seen = RegistrySnapshot {
            repositories: paths.map(|path| (path.to_owned(), Ok(Some(listing.clone())))).into(),
            ..RegistrySnapshot::default()
        };
        let maps = ["e.example/kvisor=ghcr.io/castai/kvisor/kvisor-controller".parse().unwrap()];
        let statuses = judged_with(&maps, &workload, Some(&seen));
        let found = statuses.iter().find(|status| !status.image_field.is_in_object()).unwrap();
        assert_eq!(found.state, expected, "{image} {records} {variable:?}");
    }
}

#[test]
fn records_name_the_registry_when_no_flag_does() {
    let ours = json!({"container/a": {"from": PUBLIC, "to": format!("e.example/team/{PUBLIC}")}});
    let rewritten = workload(&format!("e.example/team/{PUBLIC}"), &ours, WorkloadKind::Deployment);
    let mirror = recorded_mirror(&inventory(&[rewritten]));
    assert_eq!(mirror.map(|mirror| mirror.to_string()).as_deref(), Some("e.example/team"));
    let public = workload(PUBLIC, &json!({}), WorkloadKind::Deployment);
    assert_eq!(recorded_mirror(&inventory(&[public])), None);
}
