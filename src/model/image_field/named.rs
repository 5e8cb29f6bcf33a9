//! An image that the user named: no field holds it.

use super::ImageField;
use super::kind::{Kind, Kustomize, Location, Relation};

pub(super) const KIND: Kind = Kind {
    form: "named",
    with_names: |names| match names {
        [] => Some(ImageField::Named),
        _ => None,
    },
    location: Location::Nowhere,
    relation: Relation::None,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};
