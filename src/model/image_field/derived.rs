//! An image that a component derives from its container's image at run time: no field holds it.

use super::ImageField;
use super::kind::{Kind, Kustomize, Location, Relation};

pub(super) const KIND: Kind = Kind {
    form: "derived/CONTAINER/COMPONENT",
    with_names: |names| match names {
        [container, component] => Some(ImageField::Derived {
            container: (*container).to_owned(),
            component: (*component).to_owned(),
        }),
        _ => None,
    },
    location: Location::Nowhere,
    relation: Relation::DerivedFrom,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};
