//! `values helm`: a values file per release, and a merge patch per component of Cast AI's operator.

mod documents;
mod rendered;

use std::collections::BTreeMap;

use super::named_images;
use crate::cli::{Arguments, HelmArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::output::{self, values as text};
use crate::persist::helm;
use crate::persist::helm::component::{Component, components};
use crate::persist::helm::document::{Occasion, document};

pub(super) async fn run(arguments: &Arguments, wanted: &HelmArguments) -> Result<ExitStatus, CommandError> {
    if !wanted.files.is_empty() {
        return Box::pin(rendered::run(arguments, wanted)).await;
    }
    let images = named_images::read(arguments, &wanted.naming).await?;
    images.refuse_nothing()?;
    let decided = images
        .snapshot
        .releases
        .iter()
        .filter_map(|release| helm::values(release, images.naming(), &images.assignments))
        // While a release is being upgraded, its newest revision comes last.
        .map(|values| (values.release.clone(), values))
        .collect::<BTreeMap<_, _>>();
    let not_stored = &images.snapshot.releases_not_stored;
    if decided.is_empty() {
        return Err(text::no_release(not_stored, images.snapshot.releases_forbidden));
    }
    let components = components(&images.snapshot.resources, &decided, wanted.output());
    text::not_stored(not_stored);
    text::not_covered(decided.values());
    text::components(&components);
    let unlisted: Vec<_> = images.snapshot.unlisted_release_storage().map(str::to_owned).collect();
    let unlisted = [&unlisted[..], &images.unlisted].concat();
    let unreadable = [&images.unreadable[..], &images.snapshot.unreadable_releases].concat();
    let in_registry = named_images::check_registry(arguments, &images).await;
    let is_complete = not_stored.is_empty()
        && in_registry == ExitStatus::Done
        && unlisted.is_empty()
        && unreadable.is_empty()
        && decided.values().all(|values| values.gaps.is_empty())
        && components.iter().all(Component::is_applicable);
    let of_releases = decided.values().map(|values| document(values, Occasion::Upgrade, wanted.output()));
    let documents: Vec<_> =
        of_releases.chain(components.into_iter().filter_map(|component| component.patch)).collect();
    documents::print(&documents, wanted)?;
    output::inventory::incomplete(&unlisted, &unreadable);
    Ok(if is_complete { ExitStatus::Done } else { ExitStatus::Attention })
}
