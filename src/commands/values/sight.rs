//! What all of `values` looks at first: what the cluster needs, and what that is called in the mirror.

use crate::castai::knowledge::Knowledge;
use crate::cli::{Arguments, MirrorArguments};
use crate::commands::survey::Survey;
use crate::commands::{Stop, registry};
use crate::image::Mirror;
use crate::output;
use crate::sync::assignment::{Assignment, Source, assign, unused_maps};
use crate::sync::discover::ImageFilter;

pub(super) struct Sight {
    pub(super) survey: Survey,
    pub(super) mirror: Mirror,
    pub(super) assignments: Vec<Assignment>,
    /// Whether some kind of workload could not be listed.
    pub(super) is_partial: bool,
}

/// Reads the cluster, and gives every image its name. What could not be looked at is said.
pub(super) async fn look(arguments: &Arguments, wanted: &MirrorArguments) -> Result<Sight, Stop> {
    let survey = Survey::of(arguments, None, &Knowledge::default()).await?;
    let described = survey.scene.cluster(wanted.region.as_deref());
    let (said, region) = (wanted.registry.as_ref(), wanted.region.as_deref());
    let mirror = registry::chosen(arguments, said, region, Some(&described)).await?;
    registry::refuse_path(&mirror)?;
    let inventory = survey.inventory(region, &[], &ImageFilter::default());
    for note in &inventory.notes {
        output::warning(note);
    }
    let assignments = assign(&inventory, &mirror, &wanted.maps, described.region.as_deref());
    for map in unused_maps(&assignments, &wanted.maps) {
        output::warning(&format!("--map {map} matches no image: compare both names with the images'"));
    }
    let has_names = assignments.iter().any(|assigned| matches!(assigned.source, Source::Known(_)));
    if !has_names {
        return Err(Stop::with_hint(
            format!(
                "error: no image of Cast AI that could be mirrored was found in {}",
                survey.scene.connection.name
            ),
            "install Cast AI first, or look at another cluster with --context",
        ));
    }
    Ok(Sight { survey, mirror, assignments, is_partial: !inventory.unlisted.is_empty() })
}
