//! A lab in which runs can be repeated, and the invariants that hold after a run has ended at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::host::Lab;
use lab::registry::ecr::state::State;
use serde_json::{Value, json};

use crate::harness::{
    MIRROR, PATH, QUICK, Workloads, clear_faults, clear_traffic, ecr_state, kubectl, kubectl_json,
    other_workloads, plugin, traffic, uploaded_blobs, workload_specs, write_file,
};

const ANNOTATION: &str = "privatelink.cast.ai/images";
const LOCK: &str = "lock.json";
/// Through the front server that counts requests to the API server.
pub(super) const BY_FRONT: &str = "--server=http://127.0.0.1:8001";
/// A complete run.
pub(super) const RUN: &[&str] =
    &["sync-images", "--yes", "--lock=lock.json", BY_FRONT, "--request-timeout=5m"];

/// The number of requests of a run at each front server, and its uploads.
pub(super) struct RequestCounts {
    /// To the API server.
    pub(super) discovery: usize,
    pub(super) kubernetes: usize,
    /// To sources and ECR.
    pub(super) planning: (usize, usize),
    pub(super) mirroring: (usize, usize),
    /// Repository and digest of each blob.
    pub(super) uploads: BTreeSet<(String, String)>,
}

pub(super) struct RepeatableLab {
    pub(super) lab: Lab,
    pub(super) counts: RequestCounts,
    before: BTreeMap<String, Value>,
    others: Workloads,
    registry: State,
    manifests: String,
}

impl RepeatableLab {
    /// Runs each part once, to know the number of possible points.
    pub(super) fn measure(lab: Lab) -> Self {
        let (before, others, registry) = (workload_specs(&lab), other_workloads(&lab), ecr_state(&lab));
        let mut list = kubectl_json(&lab, &["get", "deployments,daemonsets,cronjobs", "-n", "castai-agent"]);
        for item in list["items"].as_array_mut().unwrap() {
            item.as_object_mut().unwrap().remove("status");
            let metadata = item["metadata"].as_object_mut().unwrap();
            for name in ["resourceVersion", "uid", "generation", "creationTimestamp"] {
                metadata.remove(name);
            }
        }
        let manifests = write_file(&lab, "former.json", &list.to_string());
        let uploads = BTreeSet::new();
        let counts =
            RequestCounts { discovery: 0, kubernetes: 0, planning: (0, 0), mirroring: (0, 0), uploads };
        let manifests = manifests.to_str().unwrap().to_owned();
        let mut repeatable = Self { lab, counts, before, others, registry, manifests };
        let requests = |repeatable: &Self, code, arguments: &[&str]| {
            clear_traffic(&repeatable.lab);
            plugin(&repeatable.lab, code, &[RUN, arguments].concat());
            ["kubernetes", "source", "ecr"].map(|front| traffic(&repeatable.lab, front).len())
        };
        // Without --lock, because a dry run does not write the lock.
        clear_traffic(&repeatable.lab);
        let dry = ["sync-images", "--dry-run=client", "--no-rewrite", BY_FRONT];
        plugin(&repeatable.lab, 0, &dry);
        let [discovery, in_source, in_ecr] =
            ["kubernetes", "source", "ecr"].map(|front| traffic(&repeatable.lab, front).len());
        let [_, source, ecr] = requests(&repeatable, 0, &["--no-rewrite"]);
        repeatable.counts.uploads = repeatable.uploaded();
        let [kubernetes, ..] = requests(&repeatable, 0, &[]);
        repeatable.counts = RequestCounts {
            discovery,
            kubernetes,
            planning: (in_source, in_ecr),
            mirroring: (source, ecr),
            uploads: std::mem::take(&mut repeatable.counts.uploads),
        };
        repeatable
    }

    /// Resets registry and workloads to the state before any run.
    pub(super) fn reset(&self) {
        let control = self.lab.control();
        for name in ecr_state(&self.lab)
            .repositories
            .keys()
            .filter(|name| !self.registry.repositories.contains_key(*name))
        {
            control.delete(&format!("/ecr/repositories?name={name}")).unwrap();
        }
        kubectl(&self.lab, &["replace", "-f", &self.manifests]);
        let _ = std::fs::remove_file(self.lab.folder().home().join(LOCK));
        clear_faults(&self.lab);
        clear_traffic(&self.lab);
    }

    /// Repository and digest of each blob that ECR has accepted since the recorded traffic was cleared.
    pub(super) fn uploaded(&self) -> BTreeSet<(String, String)> {
        uploaded_blobs(&self.lab).into_iter().collect()
    }

    /// Asserts the invariants that hold whenever a run ends.
    #[track_caller]
    pub(super) fn assert_consistent(&self) {
        // Requests of a killed run may still take effect.
        settle(|| (self.uploaded(), json!(ecr_state(&self.lab))));
        let registry = ecr_state(&self.lab);
        for (name, repository) in &registry.repositories {
            let mut manifests: Vec<&String> = repository.tags.values().collect();
            while let Some(digest) = manifests.pop() {
                let image = repository.images.get(digest);
                let image = image.unwrap_or_else(|| panic!("{name} lacks {digest}"));
                manifests.extend(&image.children);
                let missing = image.blobs.iter().find(|blob| !repository.layers.contains_key(*blob));
                assert_eq!(missing, None, "{name}: the content of a tag is missing");
            }
        }
        for (name, repository) in &self.registry.repositories {
            assert_eq!(
                json!(registry.repositories[name]),
                json!(repository),
                "{name} was not created by the plugin"
            );
        }
        assert_eq!(other_workloads(&self.lab), self.others);
        for (name, workload) in workload_specs(&self.lab) {
            if Some(&workload) != self.before.get(&name) {
                assert_rewritten(&name, &workload, &registry);
            }
        }
        let home = self.lab.folder().home();
        for entry in std::fs::read_dir(&home).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(["former.json", LOCK, ".kube", ".aws"].contains(&name.as_str()), "{name} is left behind");
        }
        if let Ok(text) = std::fs::read_to_string(home.join(LOCK)) {
            let lock: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(lock["kind"], "Lock");
        }
    }

    /// Completes the run, then runs once more: nothing is left to do.
    #[track_caller]
    pub(super) fn finish(&self) {
        plugin(&self.lab, 0, &[RUN, QUICK].concat());
        let registry = ecr_state(&self.lab);
        let changed: Vec<_> = workload_specs(&self.lab)
            .into_iter()
            .filter(|(name, now)| self.before.get(name) != Some(now))
            .collect();
        assert_eq!(changed.len(), 5);
        for (name, workload) in changed {
            assert_rewritten(&name, &workload, &registry);
        }
        let output = plugin(&self.lab, 0, &[RUN, QUICK].concat());
        assert!(output.stdout.starts_with("up to date"), "{}", output.stdout);
    }
}

/// Asserts that all images of a workload are in the registry, and that each has a record.
#[track_caller]
fn assert_rewritten(name: &str, workload: &Value, registry: &State) {
    let images = images(&workload["spec"]);
    let record = workload["annotations"][ANNOTATION].as_str().unwrap_or("{}");
    let record: BTreeMap<String, Value> = serde_json::from_str(record).unwrap();
    let recorded: BTreeSet<_> = record.values().map(|entry| entry["to"].as_str().unwrap()).collect();
    for image in images {
        assert!(
            recorded.contains(image.as_str()),
            "{name} is partly rewritten: {image} is not in {recorded:?}"
        );
        let path = image.strip_prefix(MIRROR).and_then(|path| path.strip_prefix('/'));
        let (repository, tag) = path.and_then(|path| path.rsplit_once(':')).unwrap();
        assert!(
            registry.repositories[&format!("{PATH}/{repository}")].tags.contains_key(tag),
            "{name}: {image} not found"
        );
    }
}

fn images(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("image").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(images)).collect()
        }
        Value::Array(items) => items.iter().flat_map(images).collect(),
        _ => Vec::new(),
    }
}

/// Waits until two consecutive reads return the same.
#[expect(clippy::disallowed_methods, reason = "the test waits to see that nothing happens")]
pub(super) fn settle<T: PartialEq>(look: impl Fn() -> T) {
    let mut seen = look();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = look();
        if now == seen {
            return;
        }
        seen = now;
    }
}

/// Reproducible random numbers.
pub(crate) struct Random {
    pub(crate) seed: u64,
    state: u64,
}

impl Random {
    /// The same points each time, unless `TEST_SEED` is set to a seed or to `random`.
    pub(crate) fn from_environment() -> Self {
        let seed = match std::env::var("TEST_SEED").as_deref() {
            Ok("random") => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into(),
            Ok(given) => given.parse().expect("TEST_SEED is a number, or `random`"),
            // The points of this seed cover both registries, and both forms of a missing response.
            Err(_) => 71,
        };
        Self { seed, state: seed }
    }

    /// `usual` points, or ten times as many.
    pub(crate) fn rounds(usual: usize) -> usize {
        if std::env::var_os("TEST_LONG").is_some() { usual * 10 } else { usual }
    }

    /// `SplitMix64` (Steele, Lea and Flood 2014), which needs one word of state.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}
