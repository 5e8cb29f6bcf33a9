//! The fields of objects that hold images. Each kind of field is one file that knows how to find, name, locate and
//! patch it, and its properties. No code outside this folder matches on kinds.

mod container;
mod derived;
mod ephemeral_container;
mod init_container;
mod kind;
mod list_field;
mod named;
pub mod patch;
mod resource_field;
mod variable;
mod volume;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::kind::{FieldKind, Location, Relation};
use crate::model::pod_template::PodTemplate;
use crate::model::workload_kind::WorkloadKind;

/// The field of an object that holds an image. Keyed by names, never by an index, because indices change. Each kind's
/// file has its constructor.
#[derive(Clone)]
pub struct ImageField {
    kind: &'static FieldKind,
    /// As in the kind's written form. Boxed, because large clusters have thousands of them.
    names: Box<[Box<str>]>,
}

/// Every kind, in the order in which the fields of one list item are found.
const KINDS: &[&FieldKind] = &[
    &container::KIND,
    &init_container::KIND,
    &ephemeral_container::KIND,
    &variable::KIND,
    &volume::KIND,
    &derived::KIND,
    &resource_field::KIND,
    &named::KIND,
];

/// The lists of a pod spec, in the order in which their fields are found.
const LISTS: &[&str] = &["initContainers", "containers", "ephemeralContainers"];

impl ImageField {
    fn new(kind: &'static FieldKind, names: &[&str]) -> Self {
        Self { kind, names: names.iter().map(|name| Box::from(*name)).collect() }
    }

    /// The names if it is of `kind`.
    fn names_of(&self, kind: &FieldKind) -> Option<&[Box<str>]> {
        (self.kind.form == kind.form).then_some(&*self.names)
    }

    /// Kinds are sorted as they are registered.
    fn key(&self) -> (Option<usize>, &[Box<str>]) {
        (KINDS.iter().position(|kind| kind.form == self.kind.form), &self.names)
    }
}

impl PartialEq for ImageField {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ImageField {}

impl PartialOrd for ImageField {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ImageField {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for ImageField {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Debug for ImageField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.to_string())
    }
}

/// Properties of a field.
impl ImageField {
    /// Whether an object has this field, so that it can be patched.
    pub const fn is_in_object(&self) -> bool {
        !matches!(self.kind.location, Location::Nowhere)
    }

    /// The container that the field belongs to.
    pub fn container(&self) -> Option<&str> {
        match self.kind.relation {
            Relation::None => None,
            Relation::OwnImage | Relation::ComesWith | Relation::DerivedFrom => {
                self.names.first().map(|name| &**name)
            }
        }
    }

    /// The list of the pod spec whose item has the image.
    pub const fn list(&self) -> Option<&'static str> {
        match &self.kind.location {
            Location::Item(list) => Some(list.list),
            Location::Own(_) | Location::Resource | Location::Nowhere => None,
        }
    }

    /// Whether it is the image that its container runs.
    pub fn is_container_image(&self) -> bool {
        self.kind.relation == Relation::OwnImage
    }

    /// Whether it is included because its container's image is included, and the container needs it.
    pub fn comes_with_container(&self) -> bool {
        self.kind.relation == Relation::ComesWith
    }

    /// Whether a component derives the image's name from its container's image.
    pub fn is_derived(&self) -> bool {
        self.kind.relation == Relation::DerivedFrom
    }

    /// Whether it is in a custom resource.
    pub const fn is_of_resource(&self) -> bool {
        matches!(self.kind.location, Location::Resource)
    }

    /// The container that restarts when the field of a running pod changes.
    pub fn restarted_container(&self) -> Option<&str> {
        self.container().filter(|_| self.kind.restarts_container)
    }

    /// Why it is immutable in a workload of this kind, if other fields of that kind are not.
    pub fn immutable_in(&self, kind: WorkloadKind) -> Option<&'static str> {
        (self.kind.immutable_in)(kind)
    }

    /// Whether an admission policy can rename it when its pod is created.
    pub const fn is_renamed_at_admission(&self) -> bool {
        self.kind.is_renamed_at_admission
    }

    /// Whether kustomize's `images:` can rename it.
    pub const fn is_renamed_by_kustomize(&self) -> bool {
        self.kind.kustomize.renames
    }

    /// The limitation of kustomize's `images:` for it in a workload of this kind, as a clause.
    pub fn kustomize_gap(&self, kind: WorkloadKind) -> Option<&'static str> {
        (self.kind.kustomize.gap)(kind)
    }
}

/// A list of named items in a pod spec whose images an admission policy can rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionList {
    pub list: &'static str,
    /// Path from the item to its image.
    pub image: &'static [&'static str],
}

/// The lists in which admission policies have to rename images.
pub fn admission_lists() -> Vec<AdmissionList> {
    let kinds = KINDS.iter().filter(|kind| kind.is_renamed_at_admission);
    let mut lists: Vec<_> = kinds
        .filter_map(|kind| match &kind.location {
            Location::Item(list) => Some(AdmissionList { list: list.list, image: list.image }),
            _ => None,
        })
        .collect();
    lists.sort_by_key(|list| rank(list.list));
    lists
}

fn rank(list: &str) -> usize {
    LISTS.iter().position(|known| *known == list).unwrap_or(LISTS.len())
}

/// A field that holds an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedField {
    pub image_field: ImageField,
    /// The image as written; it may not be a valid reference.
    pub value: String,
    /// The whole text of the field, which contains the image.
    pub text: String,
    /// Path of the text in the pod template, as tokens of a JSON pointer.
    pub path: Vec<String>,
    /// Names with their paths; patches test them to ensure that `path` still belongs to this image field.
    pub names: Vec<(Vec<String>, String)>,
}

impl LocatedField {
    /// The text with another image in it.
    pub fn text_with(&self, image: &str) -> String {
        self.text.replacen(&self.value, image, 1)
    }

    /// Its path in a manager's fields (`metadata.managedFields`), below the pod template; `None` if no manager can own it.
    pub(super) fn managed(&self) -> Option<Managed> {
        match &self.image_field.kind.location {
            Location::Item(list) => list.managed(self),
            Location::Own(own) => (own.managed)(self),
            Location::Resource | Location::Nowhere => None,
        }
    }
}

/// A path in a manager's fields: `f:containers`, `k:{"name":"agent"}`, `f:image`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    pub path: Vec<String>,
    /// The length of the prefix that contains the field and everything that exists only because of it.
    pub whole: usize,
}

/// The names of variables whose values are images. The pod spec does not distinguish them from other variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<String>);

impl Variables {
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<T: Into<String>> FromIterator<T> for Variables {
    /// Each name once, sorted.
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut variables = Self::default();
        for name in names.into_iter().map(Into::into) {
            if !variables.contains(&name) {
                variables.0.push(name);
            }
        }
        variables
    }
}

/// All image fields of `pod`, including literal values of `variables`. In the order of its lists, and the item's own
/// image first.
pub fn locate_image_fields(pod: &PodTemplate, variables: &Variables) -> Vec<LocatedField> {
    let mut found = Vec::new();
    for kind in KINDS {
        match &kind.location {
            Location::Item(list) => {
                found.extend(list.find(pod, |name| ImageField::new(kind, &[name])));
            }
            Location::Own(own) => found.extend((own.find)(pod, variables)),
            Location::Resource | Location::Nowhere => {}
        }
    }
    found.sort_by_key(|field: &LocatedField| {
        let token = |index: usize| field.path.get(index).map(String::as_str).unwrap_or_default();
        (rank(token(1)), token(2).parse::<usize>().unwrap_or_default())
    });
    found
}

/// The fields of `pod` that are in `image_fields`, whatever variables are known to hold images.
pub fn locate_fields<'c>(
    pod: &PodTemplate,
    image_fields: impl IntoIterator<Item = &'c ImageField>,
) -> Vec<LocatedField> {
    let image_fields: Vec<_> = image_fields.into_iter().collect();
    let variables = image_fields.iter().filter_map(|image_field| image_field.variable()).collect();
    let mut fields = locate_image_fields(pod, &variables);
    fields.retain(|field| image_fields.contains(&&field.image_field));
    fields
}

impl fmt::Display for ImageField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.word())?;
        self.names.iter().try_for_each(|name| write!(formatter, "/{name}"))
    }
}

/// The text is not a valid image field.
#[derive(Debug, thiserror::Error)]
#[error("unknown image field {0:?}: expected {forms}", forms = forms())]
pub struct InvalidImageField(String);

/// The valid forms, such as `container/NAME, init/NAME or named`.
fn forms() -> String {
    let forms: Vec<_> = KINDS.iter().map(|kind| kind.form).collect();
    match forms.split_last() {
        Some((last, forms)) => format!("{} or {last}", forms.join(", ")),
        None => String::new(),
    }
}

impl FromStr for ImageField {
    type Err = InvalidImageField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, names) = text.split_once('/').map_or((text, None), |(word, names)| (word, Some(names)));
        let kind = KINDS.iter().find(|kind| kind.word() == word);
        // The last name may contain a slash.
        kind.and_then(|kind| {
            let has_names = names.is_some();
            let names: Vec<_> = names.into_iter().flat_map(|names| names.splitn(kind.names(), '/')).collect();
            let is_complete = names.len() == kind.names() && has_names == (kind.names() > 0);
            let is_valid = is_complete && names.iter().all(|name| !name.is_empty());
            is_valid.then(|| Self::new(kind, &names))
        })
        .ok_or_else(|| InvalidImageField(text.to_owned()))
    }
}

impl Serialize for ImageField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
