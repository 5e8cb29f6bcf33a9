//! Sets the variable for a derived image that its component would not find.

use super::Change;
use crate::castai::derivation;
use crate::model::image::Image;
use crate::model::inventory::{ImageField, Use};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::fields::{self, OwnedBy};
use crate::sync::rewrite_workload::derived_image;

/// The changes for that.
#[derive(Default)]
pub(super) struct ScannerVariable {
    pub change: Option<Change>,
    /// The owner of the workload sets the same image.
    pub relinquished: Option<ImageField>,
}

/// Why a derived image would not be found.
pub(super) enum ScannersNotFound {
    /// This image is not verified.
    Missing(String),
    /// Its name is unknown, or nothing can set it; the text says why.
    InvalidName(String),
}

/// Sets our variable to `named`, or removes it if none is needed.
pub(super) fn set(
    workload: &Workload,
    derived: &Use,
    named: Option<Image>,
    records: &mut Records,
) -> Result<ScannerVariable, ScannersNotFound> {
    let variable = derived_image::variable(derived).filter(|_| derived.not_rewritable.is_none());
    let Some(image_field) = variable else { return Ok(ScannerVariable::default()) };
    if let Some(image) = &named {
        if let Some(why) = image_field.immutable_in(workload.name.kind) {
            return Err(ScannersNotFound::InvalidName(derivation::variable_required(image, why)));
        }
        if derived_image::is_set_elsewhere(&workload.pod, &image_field) {
            let why = derivation::variable_has_no_value(&image_field.to_string(), image);
            return Err(ScannersNotFound::InvalidName(why));
        }
    }
    let (from, to) =
        (derived_image::value(&workload.pod, &image_field), named.map(|image| image.to_string()));
    let is_shared = fields::field_ownership(workload, &image_field)
        .is_some_and(|ownership| ownership.owned_by == OwnedBy::Both);
    let is_theirs = from == to && is_shared;
    let record = to.clone().filter(|_| !is_theirs).map(|to| Record { from: None, to });
    records.set(&image_field, record);
    Ok(ScannerVariable {
        relinquished: is_theirs.then(|| image_field.clone()),
        change: (from != to).then_some(Change { image_field, from, to }),
    })
}
