//! Telling kvisor's controller by a variable which image its scanners have, where it would not find them by itself.

use super::Change;
use crate::model::image::Image;
use crate::model::inventory::{Carrier, Use};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::claims::{self, Keeper};
use crate::sync::rewrite::scanners;

/// What that takes.
#[derive(Default)]
pub(super) struct Told {
    pub change: Option<Change>,
    /// Whoever applies the workload names the same image.
    pub released: Option<Carrier>,
}

/// Why kvisor's scanners would not be found.
pub(super) enum Unfound {
    /// This image of theirs is not verified.
    Missing(String),
    /// Their name is not known, or nothing can tell it; the text says why.
    Unnameable(String),
}

/// Brings the variable of ours to `named`, or away where kvisor needs none.
pub(super) fn tell(
    workload: &Workload,
    derived: &Use,
    named: Option<Image>,
    records: &mut Records,
) -> Result<Told, Unfound> {
    let variable = scanners::variable(derived).filter(|_| derived.fixed.is_none());
    let Some(carrier) = variable else { return Ok(Told::default()) };
    if let Some(image) = &named {
        if let Some(why) = carrier.immutable_in(workload.name.kind) {
            return Err(Unfound::Unnameable(format!(
                "kvisor would have to be told by a variable that its scanners are {image}, and {why}"
            )));
        }
        if scanners::is_set_elsewhere(&workload.pod, &carrier) {
            return Err(Unfound::Unnameable(format!(
                "kvisor would not find its scanners, and {carrier} has no value of its own that could name them: set it \
                 to {image}"
            )));
        }
    }
    let (from, to) = (scanners::value(&workload.pod, &carrier), named.map(|image| image.to_string()));
    let is_shared = claims::claim(workload, &carrier).is_some_and(|claim| claim.keeper == Keeper::Both);
    let is_theirs = from == to && is_shared;
    let record = to.clone().filter(|_| !is_theirs).map(|to| Record { from: None, to });
    records.set(&carrier, record);
    Ok(Told {
        released: is_theirs.then(|| carrier.clone()),
        change: (from != to).then_some(Change { carrier, from, to }),
    })
}
