//! References in the destination, and what wants each. No I/O.

use std::collections::BTreeMap;

use crate::model::image::{Image, Mirror};
use crate::model::plan::PlannedUse;
use crate::model::provenance::Provenance;
use crate::store::Capabilities;
use crate::sync::plan::assignment::{Assignment, Source};

/// One destination reference with all its uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub destination: Image,
    pub source: Source,
    pub provenance: Option<Provenance>,
    pub used_by: Vec<PlannedUse>,
}

/// One target per destination reference, sorted. If several sources have the same destination, the most trusted one is
/// used, and the others fail with an error that names it; if none is more trusted, all fail.
pub fn targets(assignments: Vec<Assignment>) -> Vec<Target> {
    let mut by_destination: BTreeMap<Image, Vec<Target>> = BTreeMap::new();
    for Assignment { destination, source, provenance, used_by } in assignments {
        let targets = by_destination.entry(destination.clone()).or_default();
        let same = targets.iter_mut().find(|target| is_one_claim(&target.source, &source));
        let Some(target) = same else {
            targets.push(Target { destination, source, provenance, used_by });
            continue;
        };
        target.used_by.extend(used_by);
        // One use may have evidence that another does not have, such as an annotation.
        if matches!(target.source, Source::Unknown(_)) {
            (target.source, target.provenance) = (source, provenance);
        }
    }
    by_destination.into_values().flat_map(settle_conflicts).collect()
}

/// Whether two sources of one destination mean the same.
fn is_one_claim(one: &Source, other: &Source) -> bool {
    match (one, other) {
        (Source::Known(one), Source::Known(other)) => one.is_same(other),
        _ => true,
    }
}

fn settle_conflicts(mut targets: Vec<Target>) -> Vec<Target> {
    let best = targets.iter().filter_map(|target| target.provenance).min();
    let has_one_best = targets.iter().filter(|target| target.provenance == best).count() == 1;
    if targets.len() < 2 {
        return targets;
    }
    let names: Vec<String> =
        targets.iter().filter_map(|target| target.source.known()).map(Image::to_string).collect();
    for target in &mut targets {
        if has_one_best && target.provenance == best {
            continue;
        }
        let Some(source) = target.source.known().cloned() else { continue };
        let others: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| *name != source.as_written()).collect();
        target.source = Source::InvalidName(format!(
            "{} would also be mirrored as {}: set another name for one of them with --map",
            others.join(" and "),
            target.destination
        ));
        target.destination = source;
    }
    targets
}

/// Whether every place names the destination already.
pub(super) fn is_settled(target: &Target) -> bool {
    target.used_by.iter().all(|used| used.image.is_same(&target.destination))
}

impl Target {
    /// Why the destination cannot have this name, with the fix, if it cannot.
    pub fn name_fault(&self, mirror: &Mirror, capabilities: &Capabilities) -> Option<String> {
        let fault = (capabilities.repository_fault)(self.destination.path())?;
        let Source::Known(source) = &self.source else { return Some(fault) };
        Some(format!("{fault}: add --map {mirror}/<NAME>={}", source.repository()))
    }
}
