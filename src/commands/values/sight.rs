//! What all of `values` looks at first: what the cluster needs, and what that is called in the mirror.

use crate::castai::knowledge::Knowledge;
use crate::cli::{Arguments, MirrorArguments};
use crate::commands::survey::Survey;
use crate::commands::{CommandError, Ending, registry};
use crate::model::image::Mirror;
use crate::output;
use crate::persist::left_out::{self, LeftOut};
use crate::sync::discover::ImageFilter;
use crate::sync::plan::assignment::{Assignment, Source, assign, unused_maps};

pub(super) struct Sight {
    pub(super) survey: Survey,
    pub(super) mirror: Mirror,
    pub(super) assignments: Vec<Assignment>,
    /// Whether some kind of workload could not be listed.
    pub(super) is_partial: bool,
}

/// Reads the cluster, and gives every image its name. What could not be looked at is said.
pub(super) async fn look(arguments: &Arguments, wanted: &MirrorArguments) -> Result<Sight, CommandError> {
    let survey = Survey::of(arguments, None, &Knowledge::default()).await?;
    let described = survey.scene.cluster(wanted.region.as_deref());
    let (said, region) = (wanted.registry.as_ref(), wanted.region.as_deref());
    let mirror = registry::chosen(arguments, said, region, Some(&described)).await?;
    registry::refuse_path(&mirror)?;
    registry::refuse_maps(&mirror, &wanted.maps)?;
    let filter = ImageFilter::default().below(Some(mirror.clone()));
    let inventory = survey.inventory(region, &[], &filter);
    for note in &inventory.notes {
        output::warning(note);
    }
    let assignments = assign(&inventory, &mirror, &wanted.maps, described.region.as_deref());
    for map in unused_maps(&assignments, &wanted.maps) {
        output::warning(&format!("--map {map} matches no image: compare both names with the images'"));
    }
    Ok(Sight { survey, mirror, assignments, is_partial: !inventory.unlisted.is_empty() })
}

impl Sight {
    /// # Errors
    /// There is no image that could be named.
    pub(super) fn refuse_nothing(&self) -> Result<(), CommandError> {
        let is_named = |assigned: &Assignment| matches!(assigned.source, Source::Known(_));
        if self.assignments.iter().any(is_named) {
            return Ok(());
        }
        Err(CommandError::with_hint(
            format!(
                "error: no image of Cast AI that could be mirrored was found in {}",
                self.survey.scene.connection.name
            ),
            "install Cast AI first, or look at another cluster with --context",
        ))
    }

    /// Says which images keep their names and why, and leaves them out. `is_by_prefix` tells of a policy that does not
    /// know single images.
    pub(super) fn leave_out(&mut self, is_by_prefix: bool) -> Ending {
        let left_out = left_out::leave_out(&mut self.assignments);
        for LeftOut { image, place, more, why, is_held_back } in &left_out {
            let more = if *more == 0 { String::new() } else { format!(" (and {more} more)") };
            let what = match (is_held_back, is_by_prefix) {
                (false, _) => "keeps its name",
                (true, false) => "keeps its name here",
                (true, true) => "is renamed by its prefix all the same",
            };
            output::warning(&format!("{image} of {}{more} {what}: {why}", output::described(place)));
        }
        if self.is_partial || !left_out.is_empty() { Ending::Attention } else { Ending::Done }
    }
}
