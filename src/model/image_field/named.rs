//! An image that the user named: no field holds it.

use super::ImageField;
use super::kind::{FieldKind, Kustomize, Location, Relation};

pub(super) const KIND: FieldKind = FieldKind {
    form: "named",
    location: Location::Nowhere,
    relation: Relation::None,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};

impl ImageField {
    pub fn of_named_image() -> Self {
        Self::new(&KIND, &[])
    }
}
