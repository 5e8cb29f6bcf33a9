//! `values policy`: prints the policy, or applies it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::named_images;
use crate::cli::{Arguments, DryRun, Engine, Extent, PolicyArguments};
use crate::cluster::policy::{apply, served_version};
use crate::cluster::{Connection, PatchMode};
use crate::commands::{CommandError, Ending, question};
use crate::model::image::{Image, Version};
use crate::output;
use crate::persist::named::NamedImages;
use crate::persist::names::{Names, outside, unverified};
use crate::persist::{kyverno, policy};
use crate::store::{self, Limits, Listing, Repository};
use crate::sync::plan::assignment::Source;

pub(super) async fn run(arguments: &Arguments, wanted: &PolicyArguments) -> Result<Ending, CommandError> {
    if arguments.connection.namespace.is_some() {
        return Err(CommandError::with_hint(
            "error: -n has no use here: the policy is for the pods of all namespaces",
            "leave it out",
        ));
    }
    let mut images = named_images::read(arguments, &wanted.naming).await?;
    let is_by_prefix = wanted.extent == Extent::Prefixes;
    let mut ending = named_images::leave_out(&mut images, is_by_prefix);
    let (names, missing) = match wanted.extent {
        // It is made of what is known beforehand, so that it can be there before Cast AI is.
        Extent::Prefixes => (Names::of_prefixes(&images.mirror, &wanted.naming.mirror.maps), BTreeSet::new()),
        Extent::Mirrored => {
            images.refuse_nothing()?;
            verified(arguments, &images).await?
        }
    };
    if names.is_empty() {
        return Err(CommandError::with_hint(
            format!("error: {} holds no image that Cast AI needs in this cluster", images.mirror),
            "mirror them first: kubectl castai-privatelink sync-images --no-rewrite; or name the registry with --registry",
        ));
    }
    for repository in &missing {
        ending = Ending::Attention;
        output::warning(&format!(
            "{repository} holds no image that is in use, so its images are not renamed"
        ));
    }
    for (repository, namespaces) in outside(&images.assignments) {
        ending = Ending::Attention;
        let namespaces = namespaces.into_iter().collect::<Vec<_>>().join(", ");
        output::warning(&format!(
            "{repository} keeps its name in {namespaces}: it is not Cast AI's own, and others may use it there; \
             sync-images and the other `values` rename what Cast AI uses of it"
        ));
    }
    if is_by_prefix && wanted.apply {
        output::warning(&format!(
            "--extent=prefixes renames whether {} holds an image or not: pods whose image is not mirrored wait in \
             ImagePullBackOff, and none can be verified beforehand",
            images.mirror
        ));
    }
    let connection = &images.snapshot.environment.connection;
    let manifests = match engine(connection, wanted).await? {
        Some(version) => policy::manifests(&names, version).to_vec(),
        None => vec![kyverno::manifest(&names)],
    };
    if wanted.apply {
        if wanted.dry_run != DryRun::Client {
            refuse_unserved(connection, &manifests).await?;
        }
        return carry_out(connection, &manifests, &names, wanted, ending).await;
    }
    output::result(&text(&manifests, wanted.extent)?)?;
    Ok(ending)
}

/// What the registry is seen to hold, and the repositories there that hold nothing which is in use.
async fn verified(
    arguments: &Arguments,
    images: &NamedImages,
) -> Result<(Names, BTreeSet<String>), CommandError> {
    let settings = arguments.network.settings();
    let stores = store::open(&images.mirror, &settings, Limits::default(), &|_| ()).await?;
    let mut versions: BTreeMap<Repository, BTreeSet<&Version>> = BTreeMap::new();
    for assigned in &images.assignments {
        if matches!(assigned.source, Source::Known(_)) {
            versions
                .entry(Repository::of(&assigned.destination))
                .or_default()
                .insert(assigned.destination.version());
        }
    }
    let mut listings: BTreeMap<Repository, Listing> = BTreeMap::new();
    for (repository, versions) in versions {
        let listed = stores.destination.list(&repository, &versions).await;
        let listed = listed.map_err(|error| {
            CommandError::with_hint(
                format!("error: listing {repository}: {error}"),
                "where the registry cannot be asked, --extent=prefixes renames without asking it",
            )
        })?;
        listings.extend(listed.map(|listing| (repository, listing)));
    }
    let is_verified = |image: &Image| {
        listings.get(&Repository::of(image)).is_some_and(|listing| listing.held(image.version()).is_some())
    };
    let missing = unverified(&images.assignments, is_verified).into_iter().map(str::to_owned).collect();
    Ok((Names::of_verified(&images.mirror, &images.assignments, is_verified), missing))
}

/// The version of Kubernetes' own policies to write; none where it is to be Kyverno's.
async fn engine(
    connection: &Connection,
    wanted: &PolicyArguments,
) -> Result<Option<&'static str>, CommandError> {
    let served = async || served_version(connection, policy::GROUP, policy::POLICY, policy::VERSIONS).await;
    match wanted.engine {
        Some(Engine::Kyverno) => Ok(None),
        Some(Engine::Kubernetes) => match served().await? {
            Some(version) => Ok(Some(version)),
            None if wanted.apply => Err(CommandError::with_hint(
                format!("error: the API server serves no {}", policy::POLICY),
                "Kubernetes 1.36 does, and 1.34 where it is switched on; --engine=kyverno needs Kyverno instead",
            )),
            None => Ok(policy::VERSIONS.first().copied()),
        },
        None => {
            let version = served().await?;
            if version.is_none() {
                output::warning(&format!(
                    "the API server serves no {} (Kubernetes 1.36 does): this is the same for Kyverno",
                    policy::POLICY
                ));
            }
            Ok(version)
        }
    }
}

/// Kyverno's kinds are served only where it is installed.
async fn refuse_unserved(connection: &Connection, manifests: &[Value]) -> Result<(), CommandError> {
    let is_kyverno = manifests.iter().any(|manifest| manifest["kind"] == kyverno::KIND);
    let version = [kyverno::VERSION];
    if is_kyverno && served_version(connection, kyverno::GROUP, kyverno::KIND, &version).await?.is_none() {
        return Err(CommandError::with_hint(
            format!(
                "error: the API server serves no {} of {}, so Kyverno is not there",
                kyverno::KIND,
                kyverno::GROUP
            ),
            "install Kyverno first, or upgrade to Kubernetes 1.36, which needs none",
        ));
    }
    Ok(())
}

/// Asks the server whether it takes everything, then applies it.
async fn carry_out(
    connection: &Connection,
    manifests: &[Value],
    names: &Names,
    wanted: &PolicyArguments,
    ending: Ending,
) -> Result<Ending, CommandError> {
    let objects = manifests.iter().map(|manifest| {
        let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let group = text("/apiVersion").split('/').next().unwrap_or_default();
        format!("{}.{group}/{}", text("/kind").to_lowercase(), text("/metadata/name"))
    });
    let objects: Vec<_> = objects.collect();
    let told = |suffix: &str| objects.join(&format!(" {suffix}\n")) + &format!(" {suffix}\n");
    if wanted.dry_run == DryRun::Client {
        output::result(&told("applied (dry run)"))?;
        return Ok(ending);
    }
    for manifest in manifests {
        apply(connection, manifest, PatchMode::DryRun).await?;
    }
    if wanted.dry_run == DryRun::Server {
        output::result(&told("applied (server dry run)"))?;
        return Ok(ending);
    }
    let work = format!("apply {} to {}", objects.join(" and "), connection.name);
    let show = || names.lines().iter().for_each(|line| output::say(line));
    if !wanted.yes && !question::ask(work, show).await? {
        output::say("nothing was changed");
        return Ok(Ending::Attention);
    }
    for manifest in manifests {
        apply(connection, manifest, PatchMode::Apply).await?;
    }
    output::result(&told("applied"))?;
    output::say(&format!(
        "pods that are created from now on are renamed; to undo: kubectl delete {}",
        objects.join(" ")
    ));
    Ok(ending)
}

/// The manifests as YAML for `kubectl apply -f -`, with what a reader should know.
fn text(manifests: &[Value], extent: Extent) -> std::io::Result<String> {
    let extent = match extent {
        Extent::Mirrored => {
            "Renamed are the repositories that the registry held images of when this was made: make it anew when Cast AI\n\
             # brings new components."
        }
        Extent::Prefixes => {
            "Renamed is whatever begins like an image of Cast AI's, whether the registry holds it or not."
        }
    };
    let mut text = format!(
        "# Renames Cast AI's images to the mirror's as pods are created.\n\
         # {extent}\n\
         # A tag that is not mirrored yet cannot be pulled under either name: run sync-images before each upgrade.\n"
    );
    for manifest in manifests {
        text.push_str("---\n");
        text.push_str(&output::yaml(manifest)?);
    }
    Ok(text)
}
