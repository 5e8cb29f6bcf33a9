//! The image of an ephemeral container, which `kubectl debug` adds to a running pod through a subresource.

use super::ImageField;
use super::kind::{FieldKind, Kustomize, Location, Relation};
use super::list_field::{Item, ListField};
use crate::model::pod_template::PodSpec;

pub(super) const KIND: FieldKind = FieldKind {
    form: "ephemeral/NAME",
    location: Location::Item(ListField {
        list: "ephemeralContainers",
        image: &["image"],
        items,
        is_managed: false,
    }),
    relation: Relation::OwnImage,
    restarts_container: false,
    immutable_in: |_| Some("ephemeral containers are immutable"),
    is_renamed_at_admission: false,
    kustomize: Kustomize::DOES_NOT_APPLY,
};

impl ImageField {
    pub fn of_ephemeral_container(name: &str) -> Self {
        Self::new(&KIND, &[name])
    }
}

fn items(pod: &PodSpec) -> Vec<Item<'_>> {
    pod.ephemeral_containers
        .iter()
        .flatten()
        .map(|container| Item { name: &container.name, image: container.image.as_deref() })
        .collect()
}
