//! Fields that are the image of a named item in a list of the pod spec.

use super::{ImageField, LocatedField, Managed};
use crate::model::pod_template::{PodSpec, PodTemplate};

/// The differences between such fields.
pub(super) struct ListField {
    /// The list's name in the pod spec.
    pub(super) list: &'static str,
    /// Path from an item to its image.
    pub(super) image: &'static [&'static str],
    /// All items, in order.
    pub(super) items: fn(&PodSpec) -> Vec<Item<'_>>,
    /// Whether field managers own it: parts of an object that are written through a subresource are not tracked.
    pub(super) is_managed: bool,
}

/// The relevant parts of an item.
pub(super) struct Item<'p> {
    pub(super) name: &'p str,
    pub(super) image: Option<&'p str>,
}

impl ListField {
    /// `field` makes the field of the item with a name.
    pub(super) fn find(&self, pod: &PodTemplate, field: impl Fn(&str) -> ImageField) -> Vec<LocatedField> {
        let items = (self.items)(&pod.spec).into_iter().enumerate();
        let found = items.filter_map(|(index, Item { name, image })| {
            let image = image.filter(|image| !image.is_empty())?;
            Some(LocatedField {
                image_field: field(name),
                value: image.to_owned(),
                text: image.to_owned(),
                path: path(self.list, index, self.image),
                names: vec![(path(self.list, index, &["name"]), name.to_owned())],
            })
        });
        found.collect()
    }

    pub(super) fn managed(&self, field: &LocatedField) -> Option<Managed> {
        let (_, name) = field.names.first().filter(|_| self.is_managed)?;
        let image = self.image.iter().map(|member| format!("f:{member}"));
        let path: Vec<_> =
            ["f:spec".to_owned(), format!("f:{}", self.list), key(name)].into_iter().chain(image).collect();
        Some(Managed { whole: path.len(), path })
    }
}

/// The tokens of a JSON pointer from the pod template into an item of a list.
pub(super) fn path(list: &str, index: usize, rest: &[&str]) -> Vec<String> {
    let index = index.to_string();
    ["spec", list, &index].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
}

/// The key of a list item with this name, as in managed fields.
pub(super) fn key(name: &str) -> String {
    format!("k:{}", serde_json::json!({"name": name}))
}
