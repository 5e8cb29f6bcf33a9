//! What all `values` commands have in common: reading the cluster first, and notes at the end.

use crate::cli::{Arguments, NamingArguments};
use crate::cluster;
use crate::commands::{CommandError, ExitStatus, aws_login, selection};
use crate::output;
use crate::persist::named::{self, NamedImages};
use crate::persist::not_renamed::{self, NotRenamed};
use crate::persist::verified::{self, Absent};

/// Reads the cluster.
pub(super) async fn read(
    arguments: &Arguments,
    wanted: &NamingArguments,
) -> Result<NamedImages, CommandError> {
    let knowledge = selection::knowledge(&wanted.knowledge)?;
    let connection = cluster::connect(&arguments.connection.flags(&knowledge)).await?;
    let progress = arguments.progress();
    let scope = arguments.connection.scope(None);
    let observer = |event| progress.observe(event);
    // The largest futures are boxed.
    let settings = wanted.mirror.settings();
    let network = aws_login::network(arguments, Some(&connection), &settings.registries);
    Box::pin(named::read(&connection, &network, &scope, &settings, knowledge, &observer)).await
}

/// Warns about images that the registry does not have yet: pods with their private names could not start.
pub(super) async fn check_registry(arguments: &Arguments, images: &NamedImages) -> ExitStatus {
    let Absent { missing, unknown } = verified::absent(&arguments.network.settings(), images).await;
    if !missing.is_empty() {
        output::warning(&format!(
            "{} does not have {}: mirror before you use these names: kubectl castai-privatelink sync-images --no-rewrite",
            images.mirror,
            missing.join(", ")
        ));
    }
    for warning in output::values::not_looked_up(&images.mirror, &unknown) {
        output::warning(&warning);
    }
    if missing.is_empty() && unknown.is_empty() { ExitStatus::Done } else { ExitStatus::Attention }
}

/// Reports which images keep their names and why, and removes them. `is_by_prefix`: a policy that matches prefixes and
/// not single images.
pub(super) fn remove_not_renamed(images: &mut NamedImages, is_by_prefix: bool) -> ExitStatus {
    let not_renamed = not_renamed::remove(&mut images.assignments);
    for NotRenamed { image, place, more, why, is_unrenamable } in &not_renamed {
        let more = if *more == 0 { String::new() } else { format!(" (and {more} more)") };
        let what = match (is_unrenamable, is_by_prefix) {
            (false, _) => "keeps its name",
            (true, false) => "keeps its name here",
            (true, true) => "is renamed by its prefix anyway",
        };
        output::warning(&format!("{image} of {}{more} {what}: {why}", output::described(place)));
    }
    if images.is_incomplete() || !not_renamed.is_empty() { ExitStatus::Attention } else { ExitStatus::Done }
}
