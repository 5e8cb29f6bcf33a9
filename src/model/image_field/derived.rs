//! An image that a component derives from its container's image at run time: no field holds it.

use super::ImageField;
use super::kind::{FieldKind, Kustomize, Location, Relation};

pub(super) const KIND: FieldKind = FieldKind {
    form: "derived/CONTAINER/COMPONENT",
    location: Location::Nowhere,
    relation: Relation::DerivedFrom,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};

impl ImageField {
    pub fn of_derived_image(container: &str, component: &str) -> Self {
        Self::new(&KIND, &[container, component])
    }

    /// The name of the derived image, if it is one.
    pub fn derived(&self) -> Option<&str> {
        self.names_of(&KIND)?.last().map(|name| &**name)
    }
}
