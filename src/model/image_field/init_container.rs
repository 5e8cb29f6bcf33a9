//! The image of an init container.

use super::ImageField;
use super::kind::{Kind, Kustomize, Location, Relation};
use super::list_field::{Item, ListField, only_name};
use crate::model::pod_spec::PodSpec;

pub(super) const KIND: Kind = Kind {
    form: "init/NAME",
    with_names: |names| only_name(names, ImageField::InitContainer),
    location: Location::Item(ListField {
        list: "initContainers",
        image: &["image"],
        items,
        field: ImageField::InitContainer,
        is_managed: true,
    }),
    relation: Relation::OwnImage,
    restarts_container: false,
    immutable_in: |_| None,
    is_renamed_at_admission: true,
    kustomize: Kustomize::RENAMES,
};

fn items(pod: &PodSpec) -> Vec<Item<'_>> {
    pod.init_containers
        .iter()
        .flatten()
        .map(|container| Item { name: &container.name, image: container.image.as_deref() })
        .collect()
}
