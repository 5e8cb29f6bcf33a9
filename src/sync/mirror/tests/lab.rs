//! Two servers, and runs between them.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use super::super::*;
use crate::aws::ecr::Ecr;
use crate::event::Event;
use crate::model::image::Mirror;
use crate::model::provenance::Provenance;
use crate::registry::testing::{Shared, World, with_registry};
use crate::store::Limits;
use crate::store::open::open_for_test;
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::plan::attestations::Attestations;
use crate::sync::plan::decide::MovableTags;
use crate::sync::plan::prepare::{Detail, NeededImages, Prepared, prepare, renew};
use crate::sync::plan::uploads::join_uploads;
use crate::sync::plan::wanted_images::wanted_images;
use crate::sync::presence::missing;
use crate::sync::verify::{PlanAge, Verified, verify};
use crate::transport::Settings;
use crate::transport::aws_login::AwsLogin;

/// Two servers, with everything needed to mirror from the first to the second.
pub(super) struct Lab {
    pub(super) source: Shared,
    pub(super) target: Shared,
    pub(super) source_host: String,
    pub(super) mirror: Mirror,
    pub(super) api: Option<Ecr>,
    pub(super) idle_timeout: Duration,
    pub(super) upload_start_timeout: Duration,
    pub(super) attestations: Attestations,
    /// How many blobs are copied at once.
    pub(super) blobs: usize,
    pub(super) events: Mutex<Vec<Event>>,
}

pub(super) struct Ran {
    pub(super) plan: DestinationPlan,
    pub(super) uploads: Vec<Upload>,
    pub(super) mirrored: Mirrored,
    pub(super) verified: Verified,
    pub(super) notes: Vec<String>,
}

/// One layer that is streamed, and one that is kept in memory.
pub(super) fn base() -> Vec<u8> {
    (0..600_000_u32).flat_map(u32::to_le_bytes).collect()
}

pub(super) async fn with_lab(target: World, test: impl AsyncFnOnce(&mut Lab)) {
    let mut source = World { wants_token: true, redirects: true, ..World::default() };
    let base = base();
    for repository in ["a/one", "a/two", "a/three"] {
        source.add_image(repository, "v1", &[&base, b"small shared layer"]);
    }
    let is_ecr = target.ecr.is_some();
    with_registry(source, async |source, source_host| {
        with_registry(target, async |target, host| {
            let api = is_ecr.then(|| Ecr::for_test(&host));
            let mirror = format!("{host}/mirror").parse().unwrap();
            let events = Mutex::default();
            test(&mut Lab {
                source,
                target,
                source_host,
                mirror,
                api,
                idle_timeout: Duration::from_secs(5),
                upload_start_timeout: Duration::from_mins(1),
                attestations: Attestations::default(),
                blobs: 4,
                events,
            })
            .await;
        })
        .await;
    })
    .await;
}

pub(super) fn ecr_world() -> World {
    World { ecr: Some(BTreeSet::new()), ..World::default() }
}

impl Lab {
    pub(super) fn wanted(&self, detail: Detail) -> NeededImages {
        self.wanted_in(&self.mirror, detail)
    }

    fn wanted_in(&self, mirror: &Mirror, detail: Detail) -> NeededImages {
        let assignment = |name: &str| Assignment {
            destination: format!("{mirror}/{name}").parse().unwrap(),
            source: ImageSource::Known(format!("{}/{name}", self.source_host).parse().unwrap()),
            provenance: Some(Provenance::Known),
            used_by: Vec::new(),
        };
        let assignments = ["a/one:v1", "a/three:v1", "a/two:v1"].map(assignment).to_vec();
        NeededImages {
            assignments,
            node_platforms: BTreeSet::new(),
            detail,
            movable: MovableTags::All,
            attestations: self.attestations,
        }
    }

    pub(super) async fn run(&self) -> Ran {
        let run = self.run_with(Detail::Digest).await;
        assert_eq!(run.notes, Vec::<String>::new());
        run
    }

    /// What manifests may not use, without a copy.
    pub(super) async fn missing(&self) -> Vec<String> {
        let (settings, host) = (Settings::default(), &self.mirror.registry);
        let stores = open_for_test(host, self.api.clone(), &settings, Limits::default(), &|_| {});
        let wanted = wanted_images(self.wanted(Detail::Digest).assignments);
        let missing = missing(&stores.destination(&self.mirror), &self.mirror, &wanted).await.unwrap();
        missing.into_iter().map(|missing| format!("{:?}", missing.why)).collect()
    }

    fn settings(&self) -> Settings {
        Settings {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: self.idle_timeout,
            upload_start_timeout: self.upload_start_timeout,
            retries: 2,
            retry_delay: Duration::from_millis(1),
            aws: AwsLogin::default(),
        }
    }

    /// A whole run, as a new process does it.
    pub(super) async fn run_with(&self, detail: Detail) -> Ran {
        let settings = self.settings();
        let observer = |event| self.events.lock().unwrap().push(event);
        let limits = Limits { blobs: self.blobs, ..Limits::default() };
        let host = &self.mirror.registry;
        let stores = open_for_test(host, self.api.clone(), &settings, limits, &observer);
        let (sources, destination) = (&stores.sources(), &stores.destination(&self.mirror));
        let cache = ManifestCache::default();
        let prepared =
            prepare(sources, destination, &self.mirror, self.wanted(detail), &cache).await.unwrap();
        // The plan after serialization is equivalent; manifests are then read again.
        let text = serde_json::to_string(&prepared.plan).unwrap();
        let plan: DestinationPlan = serde_json::from_str(&text).unwrap();
        assert_eq!(plan, prepared.plan);
        let destinations = [Destination { store: destination, plan: &plan }];
        let mirrored =
            mirror(sources, &destinations, &prepared.uploads, self.attestations, &cache, &observer).await;
        let verified = verify(destination, &plan, &mirrored, PlanAge::Fresh).await;
        Ran { plan, uploads: prepared.uploads, mirrored, verified, notes: prepared.notes }
    }

    /// A plan that was saved and loaded.
    pub(super) async fn saved_plan(&self, detail: Detail) -> DestinationPlan {
        let (settings, host) = (Settings::default(), &self.mirror.registry);
        let stores = open_for_test(host, self.api.clone(), &settings, Limits::default(), &|_| {});
        let (sources, destination) = (&stores.sources(), &stores.destination(&self.mirror));
        let (wanted, cache) = (self.wanted(detail), ManifestCache::default());
        let prepared = prepare(sources, destination, &self.mirror, wanted, &cache).await.unwrap();
        serde_json::from_str(&serde_json::to_string(&prepared.plan).unwrap()).unwrap()
    }

    /// Carries out a saved plan, as a new process does it.
    pub(super) async fn run_saved(&self, plan: &DestinationPlan) -> Ran {
        let settings = Settings::default();
        let host = &self.mirror.registry;
        let stores = open_for_test(host, self.api.clone(), &settings, Limits::default(), &|_| {});
        let (sources, destination) = (&stores.sources(), &stores.destination(&self.mirror));
        let (cache, attestations) = (ManifestCache::default(), self.attestations);
        let renewed =
            renew(sources, destination, plan, MovableTags::All, attestations, &cache).await.unwrap();
        let Prepared { plan, uploads, notes } = renewed;
        let destinations = [Destination { store: destination, plan: &plan }];
        let mirrored = mirror(sources, &destinations, &uploads, attestations, &cache, &|_| {}).await;
        let verified = verify(destination, &plan, &mirrored, PlanAge::Stored).await;
        Ran { plan, uploads, mirrored, verified, notes }
    }

    /// One run to two destinations: two paths in the same registry.
    pub(super) async fn run_to_two(&self, detail: Detail) -> (Vec<Upload>, Mirrored) {
        let second = format!("{}/second", self.mirror.registry).parse().unwrap();
        self.run_to([self.mirror.clone(), second], detail).await
    }

    /// One run to two destinations.
    pub(super) async fn run_to(&self, mirrors: [Mirror; 2], detail: Detail) -> (Vec<Upload>, Mirrored) {
        let (settings, host) = (self.settings(), &self.mirror.registry);
        let observer = |event| self.events.lock().unwrap().push(event);
        let limits = Limits { blobs: self.blobs, ..Limits::default() };
        let stores = open_for_test(host, self.api.clone(), &settings, limits, &observer);
        let sources = &stores.sources();
        let cache = ManifestCache::default();
        let mut prepared = Vec::new();
        for mirror in &mirrors {
            let (store, wanted) = (stores.destination(mirror), self.wanted_in(mirror, detail));
            let planned = prepare(sources, &store, mirror, wanted, &cache).await.unwrap();
            prepared.push((store, planned));
        }
        let uploads = join_uploads(prepared.iter().map(|(_, planned)| planned.uploads.clone()));
        let destinations: Vec<_> =
            prepared.iter().map(|(store, planned)| Destination { store, plan: &planned.plan }).collect();
        let mirrored = mirror(sources, &destinations, &uploads, self.attestations, &cache, &observer).await;
        (uploads, mirrored)
    }

    pub(super) fn forget_log(&self) {
        self.source.lock().unwrap().log.clear();
        self.target.lock().unwrap().log.clear();
    }

    pub(super) fn sent(&self, words: &[&str]) -> usize {
        self.target.lock().unwrap().count(words)
    }

    pub(super) fn request_count(&self, words: &[&str]) -> usize {
        self.source.lock().unwrap().count(words)
    }

    /// Asserts that the mirror has all content of the source, byte for byte.
    pub(super) fn assert_equal(&self) {
        let (source, target) = (self.source.lock().unwrap(), self.target.lock().unwrap());
        let in_mirror = |path: &str| format!("mirror/{path}");
        for ((path, digest), manifest) in &source.manifests {
            assert_eq!(target.manifests.get(&(in_mirror(path), digest.clone())), Some(manifest));
        }
        for (path, digest) in &source.blobs {
            assert!(target.blobs.contains(&(in_mirror(path), digest.clone())));
        }
        for ((path, tag), digest) in &source.tags {
            assert_eq!(target.tags.get(&(in_mirror(path), tag.clone())), Some(digest));
        }
    }
}
