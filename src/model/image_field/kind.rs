//! The differences between kinds of image fields, as data.

use json_patch::PatchOperation;

use super::list_field::ListField;
use super::{ImageField, LocatedField, Managed, Variables};
use crate::model::pod_template::PodTemplate;
use crate::model::workload_kind::WorkloadKind;

/// One kind of image field.
pub(super) struct FieldKind {
    /// Its written form, such as `container/NAME`: a word, followed by names.
    pub(super) form: &'static str,
    pub(super) location: Location,
    pub(super) relation: Relation,
    /// Whether its container restarts when the field of a running pod changes.
    pub(super) restarts_container: bool,
    /// Why it is immutable in a kind of workload whose other fields are not.
    pub(super) immutable_in: fn(WorkloadKind) -> Option<&'static str>,
    /// Whether an admission policy can rename it; only items of a list have this.
    pub(super) is_renamed_at_admission: bool,
    pub(super) kustomize: Kustomize,
}

impl FieldKind {
    /// The first part of its written form.
    pub(super) fn word(&self) -> &'static str {
        self.form.split('/').next().unwrap_or_default()
    }

    /// The number of names that follow.
    pub(super) fn names(&self) -> usize {
        self.form.split('/').count() - 1
    }
}

/// Where the fields of a kind are located.
pub(super) enum Location {
    /// In a named item of a list in the pod spec.
    Item(ListField),
    /// In the pod template, found by the kind's own functions.
    Own(Own),
    /// In a custom resource.
    Resource,
    /// In no field.
    Nowhere,
}

/// Functions of a kind with its own location.
pub(super) struct Own {
    pub(super) find: fn(&PodTemplate, &Variables) -> Vec<LocatedField>,
    pub(super) managed: fn(&LocatedField) -> Option<Managed>,
    /// Adds the field to a pod template that does not have it.
    pub(super) add: fn(WorkloadKind, &PodTemplate, &ImageField, &str) -> Vec<PatchOperation>,
    /// Removes a field that was added.
    pub(super) remove: fn(WorkloadKind, &PodTemplate, &LocatedField) -> Vec<PatchOperation>,
}

/// How a field relates to the container that its first name refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The image that the container runs.
    OwnImage,
    /// An image that the container starts or reads later.
    ComesWith,
    /// Derived from the name of the container's image.
    DerivedFrom,
    /// Its names do not refer to a container.
    None,
}

/// How kustomize's `images:` treats a field (kubernetes-sigs/kustomize `api/filters/imagetag` and
/// `api/internal/konfig/builtinpluginconsts/images.go`).
pub(super) struct Kustomize {
    /// Whether it renames the field in any kind of workload.
    pub(super) renames: bool,
    /// The limitation in a kind of workload, as a clause.
    pub(super) gap: fn(WorkloadKind) -> Option<&'static str>,
}

impl Kustomize {
    pub(super) const RENAMES: Self = Self { renames: true, gap: |_| None };
    /// For fields that users do not expect it to rename.
    pub(super) const DOES_NOT_APPLY: Self = Self { renames: false, gap: |_| None };
}
