//! The image of a container.

use super::ImageField;
use super::kind::{FieldKind, Kustomize, Location, Relation};
use super::list_field::{Item, ListField};
use crate::model::pod_template::PodSpec;

pub(super) const KIND: FieldKind = FieldKind {
    form: "container/NAME",
    location: Location::Item(ListField { list: "containers", image: &["image"], items, is_managed: true }),
    relation: Relation::OwnImage,
    restarts_container: true,
    immutable_in: |_| None,
    is_renamed_at_admission: true,
    kustomize: Kustomize::RENAMES,
};

impl ImageField {
    pub fn of_container(name: &str) -> Self {
        Self::new(&KIND, &[name])
    }
}

fn items(pod: &PodSpec) -> Vec<Item<'_>> {
    pod.containers
        .iter()
        .map(|container| Item { name: &container.name, image: container.image.as_deref() })
        .collect()
}
