//! `values policy`: prints the policy, or applies it.

mod apply;

use std::collections::BTreeSet;

use super::named_images;
use crate::cli::{Arguments, Engine, Extent, PolicyArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::output;
use crate::persist::names::{Names, outside};
use crate::persist::verified::verified;
use crate::persist::{engine, policy};

pub(super) async fn run(arguments: &Arguments, wanted: &PolicyArguments) -> Result<ExitStatus, CommandError> {
    if arguments.connection.namespace.is_some() {
        return Err(CommandError::with_hint(
            "error: -n cannot be used: the policy applies to pods of all namespaces",
            "remove it",
        ));
    }
    let mut images = named_images::read(arguments, &wanted.naming).await?;
    let is_by_prefix = wanted.extent == Extent::Prefixes;
    let mut exit_status = named_images::remove_not_renamed(&mut images, is_by_prefix);
    let (names, missing) = match wanted.extent {
        // It depends only on what is known in advance, so that it can be created before Cast AI is installed.
        Extent::Prefixes => (Names::of_prefixes(images.naming()), BTreeSet::new()),
        Extent::Mirrored => {
            images.refuse_nothing()?;
            verified(&arguments.network.settings(), &images).await?
        }
    };
    if names.is_empty() {
        return Err(CommandError::not_found(
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
    let version = engine::version(connection, wanted.engine.map(Engine::setting), wanted.apply).await?;
    if version.is_none() && wanted.engine.is_none() {
        output::warning(&format!(
            "the API server does not serve {} (requires Kubernetes 1.36): printing a Kyverno \
             policy instead",
            policy::POLICY
        ));
    }
    let manifests = engine::manifests(&names, version);
    if wanted.apply {
        let exit_status = apply::carry_out(connection, &manifests, &names, wanted, exit_status).await?;
        output::inventory::incomplete(&images.unlisted, &images.unreadable);
        return Ok(exit_status);
    }
    let manifests: String = manifests
        .iter()
        .map(|one| Ok(format!("---\n{}", output::yaml(one)?)))
        .collect::<std::io::Result<_>>()?;
    output::result(&(policy::comment(is_by_prefix) + &manifests))?;
    output::inventory::incomplete(&images.unlisted, &images.unreadable);
    Ok(exit_status)
}
