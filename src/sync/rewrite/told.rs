//! Telling a component by a variable which derived image it has, where it would not find it by itself.

use super::Change;
use crate::castai::derivation;
use crate::model::image::Image;
use crate::model::inventory::{Carrier, Use};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::claims::{self, Keeper};
use crate::sync::rewrite::derived_image;

/// What that takes.
#[derive(Default)]
pub(super) struct Told {
    pub change: Option<Change>,
    /// Whoever applies the workload names the same image.
    pub released: Option<Carrier>,
}

/// Why a derived image would not be found.
pub(super) enum Unfound {
    /// This image is not verified.
    Missing(String),
    /// Its name is not known, or nothing can tell it; the text says why.
    Unnameable(String),
}

/// Brings the variable of ours to `named`, or away where none is needed.
pub(super) fn tell(
    workload: &Workload,
    derived: &Use,
    named: Option<Image>,
    records: &mut Records,
) -> Result<Told, Unfound> {
    let variable = derived_image::variable(derived).filter(|_| derived.fixed.is_none());
    let Some(carrier) = variable else { return Ok(Told::default()) };
    if let Some(image) = &named {
        if let Some(why) = carrier.immutable_in(workload.name.kind) {
            return Err(Unfound::Unnameable(derivation::must_be_told(image, why)));
        }
        if derived_image::is_set_elsewhere(&workload.pod, &carrier) {
            let why = derivation::variable_has_no_value(&carrier.to_string(), image);
            return Err(Unfound::Unnameable(why));
        }
    }
    let (from, to) = (derived_image::value(&workload.pod, &carrier), named.map(|image| image.to_string()));
    let is_shared = claims::claim(workload, &carrier).is_some_and(|claim| claim.keeper == Keeper::Both);
    let is_theirs = from == to && is_shared;
    let record = to.clone().filter(|_| !is_theirs).map(|to| Record { from: None, to });
    records.set(&carrier, record);
    Ok(Told {
        released: is_theirs.then(|| carrier.clone()),
        change: (from != to).then_some(Change { carrier, from, to }),
    })
}
