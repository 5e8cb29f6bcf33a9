//! A lab in which a run can begin again and again, and what has to hold wherever one ended.

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
/// By way of the front that counts requests to the API server.
pub(super) const BY_FRONT: &str = "--server=http://127.0.0.1:8001";
/// A whole run.
pub(super) const RUN: &[&str] =
    &["sync-images", "--yes", "--lock=lock.json", BY_FRONT, "--request-timeout=5m"];

/// How many requests a run makes at which front, and what it uploads.
pub(super) struct Whole {
    /// At the API server.
    pub(super) discovery: usize,
    pub(super) kubernetes: usize,
    /// At sources and ECR.
    pub(super) planning: (usize, usize),
    pub(super) mirroring: (usize, usize),
    /// Repository and digest of each blob.
    pub(super) uploads: BTreeSet<(String, String)>,
}

pub(super) struct Scene {
    pub(super) lab: Lab,
    pub(super) whole: Whole,
    before: BTreeMap<String, Value>,
    others: Workloads,
    registry: State,
    manifests: String,
}

impl Scene {
    /// Runs once part by part, so that points can be drawn.
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
        let whole = Whole { discovery: 0, kubernetes: 0, planning: (0, 0), mirroring: (0, 0), uploads };
        let manifests = manifests.to_str().unwrap().to_owned();
        let mut scene = Self { lab, whole, before, others, registry, manifests };
        let requests = |scene: &Self, code, arguments: &[&str]| {
            clear_traffic(&scene.lab);
            plugin(&scene.lab, code, &[RUN, arguments].concat());
            ["kubernetes", "source", "ecr"].map(|front| traffic(&scene.lab, front).len())
        };
        // Without --lock, which a dry run does not write.
        clear_traffic(&scene.lab);
        let dry = ["sync-images", "--dry-run=client", "--no-rewrite", BY_FRONT];
        plugin(&scene.lab, 0, &dry);
        let [discovery, in_source, in_ecr] =
            ["kubernetes", "source", "ecr"].map(|front| traffic(&scene.lab, front).len());
        let [_, source, ecr] = requests(&scene, 0, &["--no-rewrite"]);
        scene.whole.uploads = scene.uploaded();
        let [kubernetes, ..] = requests(&scene, 0, &[]);
        scene.whole = Whole {
            discovery,
            kubernetes,
            planning: (in_source, in_ecr),
            mirroring: (source, ecr),
            uploads: std::mem::take(&mut scene.whole.uploads),
        };
        scene
    }

    /// Puts registry and workloads back to what they were before any run.
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

    /// Repository and digest of each blob that ECR has taken since traffic was forgotten.
    pub(super) fn uploaded(&self) -> BTreeSet<(String, String)> {
        uploaded_blobs(&self.lab).into_iter().collect()
    }

    /// Asserts what has to hold whenever a run ends.
    #[track_caller]
    pub(super) fn assert_whole(&self) {
        // Requests of a run that is gone may still have their effect.
        settle(|| (self.uploaded(), json!(ecr_state(&self.lab))));
        let registry = ecr_state(&self.lab);
        for (name, repository) in &registry.repositories {
            let mut manifests: Vec<&String> = repository.tags.values().collect();
            while let Some(digest) = manifests.pop() {
                let image = repository.images.get(digest);
                let image = image.unwrap_or_else(|| panic!("{name} lacks {digest}"));
                manifests.extend(&image.children);
                let missing = image.blobs.iter().find(|blob| !repository.layers.contains_key(*blob));
                assert_eq!(missing, None, "{name}: a tag names missing content");
            }
        }
        for (name, repository) in &self.registry.repositories {
            assert_eq!(json!(registry.repositories[name]), json!(repository), "{name} is not ours");
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
            assert!(["former.json", LOCK, ".kube", ".aws"].contains(&name.as_str()), "{name} is left");
        }
        if let Ok(text) = std::fs::read_to_string(home.join(LOCK)) {
            let lock: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(lock["kind"], "Lock");
        }
    }

    /// Runs to the end, and once more: then there is nothing left to do.
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
        assert!(output.stdout.starts_with("nothing to do"), "{}", output.stdout);
    }
}

/// A workload has all its images from the registry, which holds them, and a record of each.
#[track_caller]
fn assert_rewritten(name: &str, workload: &Value, registry: &State) {
    let images = images(&workload["spec"]);
    let record = workload["annotations"][ANNOTATION].as_str().unwrap_or("{}");
    let record: BTreeMap<String, Value> = serde_json::from_str(record).unwrap();
    let recorded: BTreeSet<_> = record.values().map(|entry| entry["to"].as_str().unwrap()).collect();
    for image in images {
        assert!(
            recorded.contains(image.as_str()),
            "{name} is half rewritten: {image} is not of {recorded:?}"
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

/// Waits until two looks see the same.
#[expect(clippy::disallowed_methods, reason = "what has to be seen is that nothing happens for a while")]
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

/// Chance that can be repeated.
pub(crate) struct Dice {
    pub(crate) seed: u64,
    state: u64,
}

impl Dice {
    /// The same points each time, unless `TEST_SEED` says which, or `random`.
    pub(crate) fn from_environment() -> Self {
        let seed = match std::env::var("TEST_SEED").as_deref() {
            Ok("random") => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into(),
            Ok(given) => given.parse().expect("TEST_SEED is a number, or `random`"),
            // Its points are of both registries, and of both ways in which an answer fails to come.
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
