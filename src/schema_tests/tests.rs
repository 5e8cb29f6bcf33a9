use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::*;
use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::model::cluster_plan::{Change, WorkloadStep};
use crate::model::image::{Digest, Image};
use crate::model::image_field::ImageField;
use crate::model::inventory::{ExcludedImage, Place, Reason, Use, WorkloadKind, WorkloadName};
use crate::model::owner::Owner;
use crate::model::plan::{Content, RegistryKind, Step};
use crate::model::record::Records;
use crate::ownership::fields::{FieldOwnership, OwnedBy};
use crate::preflight::judgement::Outcome as CheckOutcome;
use crate::sync::report::ImageResult;
use crate::sync::rewrite_workload::HeldBack;
use crate::sync::rollback::SkippedImage;
use crate::sync::rollout::{Outcome, WorkloadReport};
use crate::sync::status::{NotChecked, PullFailure, State, Subject};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("docs/schema")
}

#[test]
fn the_schemas_are_up_to_date() {
    for document in &DOCUMENTS {
        let text = serde_json::to_string_pretty(&document.schema()).unwrap() + "\n";
        let path = folder().join(document.file_name());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "docs/schema/{} differs from the types; write it anew with: UPDATE_DOCS=1 cargo test --workspace --lib schema",
            document.file_name()
        );
    }
}

#[test]
fn every_schema_is_listed_in_the_readme_and_no_other() {
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = name == "README.md" || DOCUMENTS.iter().any(|document| document.file_name() == name);
        assert!(is_known, "{name} is the schema of no document: remove it");
        assert!(name == "README.md" || page.contains(&format!("]({name})")), "{name} is not in the table");
    }
}

/// The documents among the snapshots of what the released binary prints and writes, by the name of their file.
fn snapshots() -> Vec<(String, Value)> {
    let folder = root().join("tests/cli/screens/snapshots");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let documents = paths.filter(|path| path.to_str().unwrap().ends_with("-json.snap")).map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let body = text.splitn(3, "---\n").nth(2).unwrap();
        let mut document = serde_json::from_str(body).unwrap();
        restore_varying(&mut document);
        (path.file_name().unwrap().to_str().unwrap().to_owned(), document)
    });
    documents.collect()
}

/// Snapshots have `<TIME>` where something varies from run to run.
fn restore_varying(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "milliseconds" => *member = 1.into(),
                    _ if *member == "<TIME>" => *member = "2026-11-26T06:00:00Z".into(),
                    _ => restore_varying(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(restore_varying),
        _ => {}
    }
}

#[test]
fn what_is_printed_and_written_is_valid() {
    let mut unseen: Vec<_> = DOCUMENTS.iter().map(|document| document.name).collect();
    for (name, snapshot) in snapshots() {
        let document = Document::of(&snapshot);
        let errors = errors(&document.validator(), &snapshot);
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        unseen.retain(|name| *name != document.name);
    }
    assert_eq!(unseen, ["version", "images-annotation", "knowledge", "repository-settings"]);
    assert_valid_as(Document::named("version"), &json!(Version::current()));
}

#[test]
fn a_missing_or_misspelt_field_is_invalid() {
    for (name, snapshot) in snapshots() {
        let document = Document::of(&snapshot);
        let validator = document.validator();
        let required = document.schema()["required"].as_array().unwrap().clone();
        assert!(required.len() > 1, "{name}: {required:?}");
        for field in required.iter().map(|field| field.as_str().unwrap()) {
            let mut misspelt = snapshot.clone();
            let value = misspelt.as_object_mut().unwrap().remove(field).unwrap();
            assert!(!errors(&validator, &misspelt).is_empty(), "{name} without {field}");
            misspelt[format!("{field}s")] = value;
            assert!(!errors(&validator, &misspelt).is_empty(), "{name} with {field}s");
        }
    }
}

#[test]
fn a_wrong_value_is_invalid() {
    let cases = [
        ("lock-file-json.snap", "/apiVersion", json!("privatelink.cast.ai/v2")),
        ("lock-file-json.snap", "/kind", json!("Plan")),
        ("lock-file-json.snap", "/created", json!("yesterday")),
        ("lock-file-json.snap", "/destinations/0/images/0/digest", json!("sha256:12")),
        ("lock-file-json.snap", "/destinations/0/images/0/size", json!("12")),
        ("lock-file-json.snap", "/destinations/0/images/0/source", json!("ghcr.io/x y")),
        ("inventory-file-json.snap", "/images/0/usedBy/0/imageField", json!("containers/x")),
        ("inventory-file-json.snap", "/images/0/usedBy/0/place/type", json!("deployment")),
        ("inventory-file-json.snap", "/images/0/usedBy/0/reason", json!({"rule": "namespace"})),
        ("plan-json.snap", "/clusterPlans/0/workloads/0/step/patch/0/op", json!("set")),
        ("plan-json.snap", "/destinations/0/registry", json!({"type": "ecr"})),
        ("preflight-json.snap", "/findings/0/result", json!("pass")),
        ("status-drift-json.snap", "/images/0/state", json!({"type": "reverted"})),
        ("permissions-json.snap", "/aws/0/access", json!("write")),
    ];
    let snapshots = snapshots();
    for (name, pointer, wrong) in cases {
        let mut document = snapshots.iter().find(|(file, _)| file == name).unwrap().1.clone();
        let place = document.pointer_mut(pointer).unwrap_or_else(|| panic!("{name} has no {pointer}"));
        assert_ne!(*place, wrong);
        *place = wrong;
        assert!(!errors(&Document::of(&document).validator(), &document).is_empty(), "{name}: {pointer}");
    }
}

/// A later version may write more.
#[test]
fn an_unknown_field_of_a_written_document_is_valid() {
    for (_, mut snapshot) in snapshots() {
        snapshot["later"] = json!(true);
        assert_valid(&snapshot);
    }
    let inventory = |knowledge: Value| {
        json!({"apiVersion": API_VERSION, "kind": "Inventory", "created": "2026-11-26T06:00:00Z", "clusters": [],
            "images": [], "knowledge": knowledge})
    };
    assert_valid(&inventory(json!({"namespaces": ["castai-next"], "later": true})));
}

/// Asserts that all `values` are valid as serde writes them.
#[track_caller]
fn assert_all_valid<T: Serialize + JsonSchema>(values: impl IntoIterator<Item = T>) {
    let schema = written::<T>().to_value();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for value in values {
        let value = json!(value);
        let errors = errors(&validator, &value);
        assert!(errors.is_empty(), "{value}: {errors:#?}\n{schema:#}");
    }
}

/// What snapshots and samples of whole documents hold some of.
#[test]
fn every_variant_is_valid_as_it_is_written() {
    let text = || "x".to_owned();
    let name = WorkloadName { cluster: text(), namespace: text(), kind: WorkloadKind::Pod, name: text() };
    assert_all_valid(WorkloadKind::ALL);
    assert_all_valid([
        Place::Workload(name),
        Place::File { path: text(), manifest: text() },
        Place::Resource { cluster: text(), namespace: text(), resource: text(), name: text() },
        Place::Release { cluster: text(), namespace: text(), release: text(), manifest: text(), hook: true },
        Place::Named,
    ]);
    let from: Image = "castai/hibernate:v1".parse().unwrap();
    assert_all_valid([
        Reason::Namespace { namespace: text() },
        Reason::ImagePrefix { prefix: text() },
        Reason::PatchedBy { component: text(), prefix: text() },
        Reason::Chart { chart: text() },
        Reason::Label { label: text() },
        Reason::Annotation,
        Reason::Derived { from },
        Reason::Variable { variable: text() },
        Reason::Resource { resource: text() },
        Reason::Release { chart: text(), hook: false },
        Reason::File { path: text(), hook: false },
        Reason::File { path: text(), hook: true },
        Reason::FailingPod { pod: text(), waiting: text(), matched_by: text() },
        Reason::Named,
    ]);
    let digest = Digest::compute(b"");
    let content = Content::unread(digest.clone(), text());
    assert_all_valid([
        Step::UpToDate { content: content.clone() },
        Step::Copy { content: content.clone() },
        Step::Replace { content, replaces: digest },
        Step::Skip { reason: text() },
        Step::Failed { error: text() },
    ]);
    assert_all_valid([RegistryKind::Oci, RegistryKind::Ecr { account: text(), region: text() }]);
    assert_all_valid([
        WorkloadStep::Patch {
            changes: Vec::new(),
            relinquished: Vec::new(),
            patch: json_patch::Patch::default(),
        },
        WorkloadStep::Unchanged,
        WorkloadStep::HeldBack { reason: text() },
        WorkloadStep::NotRewritable { reason: text() },
    ]);
}

#[test]
fn every_result_is_valid_as_it_is_written() {
    use ImageResult::{Copied, Failed, Missing, Replaced, Skipped, UpToDate};
    let text = || "x".to_owned();
    assert_all_valid([Copied, Replaced, UpToDate, Skipped, Missing, Failed]);
    assert_all_valid([
        Outcome::Updated,
        Outcome::Unchanged,
        Outcome::Planned,
        Outcome::DryRunOk,
        Outcome::HeldBack(HeldBack::Other(text())),
        Outcome::NotRewritable(text()),
        Outcome::Failed(text()),
        Outcome::RolloutFailed(text()),
        Outcome::Restored(text()),
        Outcome::NotStarted,
    ]);
    assert_all_valid([
        State::Mirrored,
        State::Unchecked(text()),
        State::OtherRegistry(text()),
        State::Reverted(text()),
        State::NotRewritten,
        State::Missing,
        State::Behind(text()),
        State::TagRemoved(text()),
        State::NotRewritable(text()),
        State::Skipped(text()),
        State::SourceUnknown(text()),
        State::InvalidName(text()),
    ]);
    let outcomes = [
        CheckOutcome::Pass,
        CheckOutcome::Warn,
        CheckOutcome::Fail,
        CheckOutcome::Skipped { blocked_by: "CPL101" },
        CheckOutcome::Unknown { why: text() },
    ];
    let results =
        &Document::named("preflight-report").schema()["$defs"]["Finding"]["properties"]["result"]["enum"];
    assert_eq!(*results, json!(outcomes.map(|outcome| outcome.name())));
}

/// The parts of reports that no snapshot shows.
#[test]
fn every_optional_field_is_valid_as_it_is_written() {
    let text = || "x".to_owned();
    let some_text = || Some("x".to_owned());
    let image: Image = "castai/hibernate:v1".parse().unwrap();
    let image_field = ImageField::of_container(&text());
    let workload = WorkloadName { cluster: text(), namespace: text(), kind: WorkloadKind::Job, name: text() };
    let place = || Place::Workload(workload.clone());
    assert_all_valid([
        ExcludedImage { place: place(), image_field: None, image: None, why: text() },
        ExcludedImage {
            place: place(),
            image_field: Some(image_field.clone()),
            image: some_text(),
            why: text(),
        },
    ]);
    assert_all_valid([Use {
        place: place(),
        image_field: image_field.clone(),
        reason: Reason::Named,
        recorded_source: Some(image.clone()),
        not_rewritable: some_text(),
    }]);
    let owner = Owner { name: text(), reverts: text(), self_heals: true };
    let problem = |container, kind| PodProblem {
        pod: text(),
        container,
        kind,
        reason: text(),
        message: String::new(),
        log: vec![text()],
    };
    assert_all_valid([WorkloadReport {
        not_ready: true,
        workload: workload.clone(),
        changes: vec![Change { image_field: image_field.clone(), from: None, to: some_text() }],
        relinquished: vec![image_field.clone()],
        outcome: Outcome::Restored(text()),
        problems: vec![problem(None, ProblemKind::Unschedulable), problem(some_text(), ProblemKind::Crash)],
        notes: vec![text()],
        not_pulled: some_text(),
        owners: vec![owner],
        ownership: Some(FieldOwnership { owned_by: OwnedBy::Both, owner: text() }),
    }]);
    assert_all_valid([SkippedImage {
        workload: workload.clone(),
        image_field: image_field.clone(),
        recorded: Record { from: None, to: text() },
        current: text(),
        public: Some(image),
    }]);
    let failure = |outdated| PullFailure {
        place: place(),
        image_field: image_field.clone(),
        image: "NOT AN IMAGE".to_owned(),
        reason: text(),
        message: String::new(),
        pods: vec![text()],
        outdated,
    };
    assert_all_valid([failure(true), failure(false)]);
    assert_all_valid([NotChecked { subject: Subject::PublicTags, cause: text() }]);
}

#[test]
fn the_annotation_is_valid_as_it_is_written() {
    let mut records = Records::default();
    records.set(
        &ImageField::of_container("x"),
        Some(Record { from: Some("a:1".to_owned()), to: "b:1".to_owned() }),
    );
    records.set(&ImageField::of_volume("x"), Some(Record { from: None, to: "b:1".to_owned() }));
    let annotation: Value = serde_json::from_str(&records.to_annotation().unwrap()).unwrap();
    let document = Document::named("images-annotation");
    assert_valid_as(document, &annotation);
    assert!(!errors(&document.validator(), &json!({"container/x": {"from": "a:1"}})).is_empty());
}

#[test]
fn names_are_valid_where_they_are_accepted() {
    let digest = Digest::compute(b"");
    let images =
        ["castai/hibernate", "busybox", "localhost:5000/x:v1", "[::1]:5000/x", "ghcr.io/a/b-c__d.e:V_1.0-x"]
            .map(str::to_owned);
    let pinned = [format!("ghcr.io/castai/x@{digest}"), format!("ghcr.io/castai/x:v1@{digest}")];
    assert_all_valid(images.into_iter().chain(pinned).filter_map(|image| image.parse::<Image>().ok()));
    let fields = [
        "container/x",
        "init/x",
        "ephemeral/x",
        "env/x/SCANNERS_IMAGE",
        "volume/x",
        "derived/x/kvisor",
        "field/spec/values/image",
        "named",
    ];
    assert_all_valid(fields.map(|field| field.parse::<ImageField>().unwrap()));
}

#[test]
fn repository_settings_are_valid_where_they_are_read() {
    let validator = Document::named("repository-settings").validator();
    let page = include_str!("../../docs/registries.md");
    let example = page.split("```yaml\n# repositories.yaml").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_saphyr::from_str(example).unwrap();
    for (settings, expected) in [
        (example, true),
        (json!({}), true),
        (json!({"kmsKeys": "x"}), false),
        (json!({"scanOnPush": 1}), false),
    ] {
        assert_eq!(validator.is_valid(&settings), expected, "{settings}");
        assert_eq!(RepositorySettings::read(settings.clone()).is_ok(), expected, "{settings}");
    }
}

#[test]
fn knowledge_is_valid_where_it_is_read() {
    let document = Document::named("knowledge");
    for record in fs::read_dir(root().join("src/castai/components")).unwrap() {
        let record = fs::read_to_string(record.unwrap().path()).unwrap();
        assert_valid_as(document, &serde_saphyr::from_str(&record).unwrap());
    }
    let page = fs::read_to_string(root().join("docs/images.md")).unwrap();
    let example = page.split("```yaml\n# knowledge.yaml").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_saphyr::from_str(example).unwrap();
    Knowledge::read(example.clone()).unwrap();
    assert_valid_as(document, &example);
    assert_valid_as(document, &json!({}));

    let validator = document.validator();
    let refused = [
        json!({"namespace": ["castai-next"]}),
        json!({"namespaces": "castai-next"}),
        json!({"images": ["NOT AN IMAGE"]}),
        json!({"evidence": "rumour"}),
        json!({"rolloutOrder": {"castai-agent": 256}}),
        json!({"endpointVariables": {"API_URL": "http"}}),
        json!({"resources": [{"group": "next.cast.ai", "kind": "Probe"}]}),
        json!({"resources": [{"group": "next.cast.ai", "kind": "Probe", "fields": [], "field": "/spec"}]}),
        json!([]),
    ];
    for wrong in refused {
        assert!(Knowledge::read(wrong.clone()).is_err(), "{wrong}");
        assert!(!errors(&validator, &wrong).is_empty(), "{wrong}");
    }
}
