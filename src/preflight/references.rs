//! `ConfigMap`s and Secrets with endpoints of components, and their content.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::EnvFromSource;

use crate::model::pod_template::{EnvVar, Volume};

/// A `ConfigMap` or a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectReference {
    pub kind: ObjectKind,
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    ConfigMap,
    Secret,
}

impl fmt::Display for ObjectReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ObjectKind::ConfigMap => "configmap",
            ObjectKind::Secret => "secret",
        };
        write!(formatter, "{kind}/{} in {}", self.name, self.namespace)
    }
}

impl ObjectReference {
    pub fn new(kind: ObjectKind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The object that an `envFrom` entry refers to, and whether it is optional.
    pub fn of_source(source: &EnvFromSource, namespace: &str) -> Option<(Self, bool)> {
        let (kind, name, optional) = if let Some(reference) = &source.config_map_ref {
            (ObjectKind::ConfigMap, &reference.name, reference.optional)
        } else {
            let reference = source.secret_ref.as_ref()?;
            (ObjectKind::Secret, &reference.name, reference.optional)
        };
        Some((Self::new(kind, namespace, name), optional.unwrap_or_default()))
    }

    /// The object and key that a variable refers to, and whether they are optional.
    pub fn of_variable(variable: &EnvVar, namespace: &str) -> Option<(Self, String, bool)> {
        let from = variable.value_from.as_ref()?;
        let (kind, name, key, optional) = if let Some(reference) = &from.config_map_key_ref {
            (ObjectKind::ConfigMap, &reference.name, &reference.key, reference.optional)
        } else {
            let reference = from.secret_key_ref.as_ref()?;
            (ObjectKind::Secret, &reference.name, &reference.key, reference.optional)
        };
        let reference = Self::new(kind, namespace, name);
        Some((reference, key.clone(), optional.unwrap_or_default()))
    }

    /// The object that a volume mounts, and whether it is optional.
    pub fn of_volume(volume: &Volume, namespace: &str) -> Option<(Self, bool)> {
        let (kind, name, optional) = if let Some(source) = &volume.config_map {
            (ObjectKind::ConfigMap, source.name.as_str(), source.optional)
        } else {
            let source = volume.secret.as_ref()?;
            (ObjectKind::Secret, source.secret_name.as_deref()?, source.optional)
        };
        Some((Self::new(kind, namespace, name), optional.unwrap_or_default()))
    }
}

/// Why the content of an object is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("not found")]
    Missing,
    #[error("Forbidden: allow `get` on it")]
    Forbidden,
    #[error("{0}")]
    Failed(String),
}

impl Unreadable {
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// The content of the objects that were read: only the requested keys.
#[derive(Clone, Debug, Default)]
pub struct Objects(BTreeMap<ObjectReference, Result<BTreeMap<String, String>, Unreadable>>);

impl Objects {
    /// # Errors
    /// The object could not be read.
    pub fn get(&self, reference: &ObjectReference) -> Result<&BTreeMap<String, String>, &Unreadable> {
        static NOT_READ: Unreadable = Unreadable::Missing;
        self.0.get(reference).map_or(Err(&NOT_READ), Result::as_ref)
    }

    /// All objects unreadable for the same reason.
    pub fn unreadable(wanted: BTreeMap<ObjectReference, BTreeSet<String>>, why: &str) -> Self {
        wanted.into_keys().map(|reference| (reference, Err(Unreadable::Failed(why.to_owned())))).collect()
    }
}

impl FromIterator<(ObjectReference, Result<BTreeMap<String, String>, Unreadable>)> for Objects {
    fn from_iter<I>(objects: I) -> Self
    where
        I: IntoIterator<Item = (ObjectReference, Result<BTreeMap<String, String>, Unreadable>)>,
    {
        Self(objects.into_iter().collect())
    }
}
