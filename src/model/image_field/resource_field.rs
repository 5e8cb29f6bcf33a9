//! A field of a custom resource, which the resource's controller reads.

use super::ImageField;
use super::kind::{Kind, Kustomize, Location, Relation};

pub(super) const KIND: Kind = Kind {
    form: "field/POINTER",
    with_names: |names| match names {
        [] => None,
        pointer => Some(ImageField::Field(format!("/{}", pointer.join("/")))),
    },
    location: Location::Resource,
    relation: Relation::None,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};
