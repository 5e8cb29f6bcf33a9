//! A field of a custom resource, which the resource's controller reads.

use super::ImageField;
use super::kind::{FieldKind, Kustomize, Location, Relation};

pub(super) const KIND: FieldKind = FieldKind {
    form: "field/POINTER",
    location: Location::Resource,
    relation: Relation::None,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};

impl ImageField {
    /// The field at this JSON pointer, or the object with `repository` and `tag` there.
    pub fn of_resource(pointer: &str) -> Self {
        Self::new(&KIND, &[pointer.strip_prefix('/').unwrap_or(pointer)])
    }
}
