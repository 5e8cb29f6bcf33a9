//! `values policy`: prints the policy, or applies it.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use serde_json::Value;

use super::named_images;
use crate::cli::{Arguments, DryRun, Engine, Extent, PolicyArguments};
use crate::cluster::policy::{apply, served_version};
use crate::cluster::{Connection, PatchMode};
use crate::commands::{CommandError, ExitStatus, question};
use crate::model::image::{Image, Version};
use crate::output;
use crate::persist::named::NamedImages;
use crate::persist::names::{Names, outside, unverified};
use crate::persist::{kyverno, policy};
use crate::store::{self, Limits, Listing, Repository};
use crate::sync::plan::assignment::Source;

pub(super) async fn run(arguments: &Arguments, wanted: &PolicyArguments) -> Result<ExitStatus, CommandError> {
    if arguments.connection.namespace.is_some() {
        return Err(CommandError::with_hint(
            "error: -n cannot be used: the policy applies to pods of all namespaces",
            "remove it",
        ));
    }
    let mut images = named_images::read(arguments, &wanted.naming).await?;
    let is_by_prefix = wanted.extent == Extent::Prefixes;
    let mut exit_status = named_images::leave_out(&mut images, is_by_prefix);
    let (names, missing) = match wanted.extent {
        // It depends only on what is known in advance, so that it can be created before Cast AI is installed.
        Extent::Prefixes => (Names::of_prefixes(images.naming()), BTreeSet::new()),
        Extent::Mirrored => {
            images.refuse_nothing()?;
            verified(arguments, &images).await?
        }
    };
    if names.is_empty() {
        return Err(CommandError::with_hint(
            format!("error: {} has no image that Cast AI needs in this cluster", images.mirror),
            "mirror them first: kubectl castai-privatelink sync-images --no-rewrite; or set --registry",
        ));
    }
    for repository in &missing {
        exit_status = ExitStatus::Attention;
        output::warning(&format!("{repository} has no image in use, so its images are not renamed"));
    }
    for (repository, namespaces) in outside(&images.assignments, &images.knowledge) {
        exit_status = ExitStatus::Attention;
        let namespaces = namespaces.into_iter().collect::<Vec<_>>().join(", ");
        output::warning(&format!(
            "{repository} is not renamed in {namespaces}, where other workloads may use it; sync-images \
             and the other `values` commands rename it for Cast AI's workloads"
        ));
    }
    if is_by_prefix && wanted.apply {
        output::warning(&format!(
            "--extent=prefixes also renames images that {} does not hold: pods with such an image fail \
             with ImagePullBackOff, and this cannot be verified in advance",
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
        return carry_out(connection, &manifests, &names, wanted, exit_status).await;
    }
    output::result(&text(&manifests, wanted.extent)?)?;
    Ok(exit_status)
}

/// The content of the registry, and the repositories there without any image in use.
async fn verified(
    arguments: &Arguments,
    images: &NamedImages,
) -> Result<(Names, BTreeSet<String>), CommandError> {
    let settings = arguments.network.settings();
    let mirrors = slice::from_ref(&images.mirror);
    let stores = store::open(mirrors, &settings, Limits::default(), &|_| ()).await?;
    let destination = stores.destination(&images.mirror);
    let mut versions: BTreeMap<Repository, BTreeSet<&Version>> = BTreeMap::new();
    for assigned in &images.assignments {
        if matches!(assigned.source, Source::Known(_)) {
            versions
                .entry(Repository::from_image(&assigned.destination))
                .or_default()
                .insert(assigned.destination.version());
        }
    }
    let mut listings: BTreeMap<Repository, Listing> = BTreeMap::new();
    for (repository, versions) in versions {
        let listed = destination.list(&repository, &versions).await;
        let listed = listed.map_err(|error| {
            CommandError::with_hint(
                format!("error: listing {repository}: {error}"),
                "use --extent=prefixes if the registry cannot be reached",
            )
        })?;
        listings.extend(listed.map(|listing| (repository, listing)));
    }
    let is_verified = |image: &Image| {
        listings
            .get(&Repository::from_image(image))
            .is_some_and(|listing| listing.digest(image.version()).is_some())
    };
    let missing = unverified(&images.assignments, is_verified).into_iter().map(str::to_owned).collect();
    Ok((Names::of_verified(images.naming(), &images.assignments, is_verified), missing))
}

/// The version of Kubernetes' admission policy API; `None` for Kyverno.
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
                format!("error: the API server does not serve {}", policy::POLICY),
                "requires Kubernetes 1.36, or 1.34 with the feature enabled; --engine=kyverno requires \
                 Kyverno",
            )),
            None => Ok(policy::VERSIONS.first().copied()),
        },
        None => {
            let version = served().await?;
            if version.is_none() {
                output::warning(&format!(
                    "the API server does not serve {} (requires Kubernetes 1.36): printing a Kyverno \
                     policy instead",
                    policy::POLICY
                ));
            }
            Ok(version)
        }
    }
}

/// Kyverno's kinds are only served if it is installed.
async fn refuse_unserved(connection: &Connection, manifests: &[Value]) -> Result<(), CommandError> {
    let is_kyverno = manifests.iter().any(|manifest| manifest["kind"] == kyverno::KIND);
    let version = [kyverno::VERSION];
    if is_kyverno && served_version(connection, kyverno::GROUP, kyverno::KIND, &version).await?.is_none() {
        return Err(CommandError::with_hint(
            format!(
                "error: Kyverno is not installed: the API server does not serve {} of {}",
                kyverno::KIND,
                kyverno::GROUP
            ),
            "install Kyverno first, or upgrade to Kubernetes 1.36",
        ));
    }
    Ok(())
}

/// Runs a server dry run of everything, then applies it.
async fn carry_out(
    connection: &Connection,
    manifests: &[Value],
    names: &Names,
    wanted: &PolicyArguments,
    exit_status: ExitStatus,
) -> Result<ExitStatus, CommandError> {
    let objects = manifests.iter().map(|manifest| {
        let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let group = text("/apiVersion").split('/').next().unwrap_or_default();
        format!("{}.{group}/{}", text("/kind").to_lowercase(), text("/metadata/name"))
    });
    let objects: Vec<_> = objects.collect();
    let lines = |suffix: &str| objects.join(&format!(" {suffix}\n")) + &format!(" {suffix}\n");
    if wanted.dry_run == DryRun::Client {
        output::result(&lines("applied (dry run)"))?;
        return Ok(exit_status);
    }
    for manifest in manifests {
        apply(connection, manifest, PatchMode::DryRun).await?;
    }
    if wanted.dry_run == DryRun::Server {
        output::result(&lines("applied (server dry run)"))?;
        return Ok(exit_status);
    }
    let work = format!("apply {} to {}", objects.join(" and "), connection.name);
    let show = || names.lines().iter().for_each(|line| output::say(line));
    if !wanted.yes && !question::confirm(work, show).await? {
        output::say("nothing was changed");
        return Ok(ExitStatus::Attention);
    }
    for manifest in manifests {
        apply(connection, manifest, PatchMode::Apply).await?;
    }
    output::result(&lines("applied"))?;
    output::say(&format!(
        "images of new pods are renamed from now on; to undo: kubectl delete {}",
        objects.join(" ")
    ));
    Ok(exit_status)
}

/// The manifests as YAML for `kubectl apply -f -`, with comments for the reader.
fn text(manifests: &[Value], extent: Extent) -> std::io::Result<String> {
    let extent = match extent {
        Extent::Mirrored => {
            "Renames the repositories of which the registry held images when this was created: create it \
             again when Cast AI\n# adds components."
        }
        Extent::Prefixes => {
            "Renames every image with a Cast AI prefix, even if the registry does not hold it."
        }
    };
    let mut text = format!(
        "# Renames Cast AI's images to the mirror's when pods are created.\n# {extent}\n# Pods cannot pull \
         a tag that is not mirrored yet: run sync-images before each upgrade.\n"
    );
    for manifest in manifests {
        text.push_str("---\n");
        text.push_str(&output::yaml(manifest)?);
    }
    Ok(text)
}
