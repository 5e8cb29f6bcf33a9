//! What sets the kinds of image fields apart, as data.

use json_patch::PatchOperation;

use super::list_field::ListField;
use super::{ImageField, LocatedField, Managed, Variables};
use crate::model::pod_spec::PodSpec;
use crate::model::workload_kind::WorkloadKind;

/// One kind of image field.
pub(super) struct Kind {
    /// Its written form, `container/NAME`: a word, and what stands behind it.
    pub(super) form: &'static str,
    /// The field with these names; nothing where they are too few or too many.
    pub(super) with_names: fn(&[&str]) -> Option<ImageField>,
    pub(super) location: Location,
    pub(super) relation: Relation,
    /// Whether its container runs anew when the field of a running pod changes.
    pub(super) restarts_container: bool,
    /// Why it cannot be changed in a kind of workload whose other fields can.
    pub(super) immutable_in: fn(WorkloadKind) -> Option<&'static str>,
    /// Whether an admission policy can rename it; only fields that are items of a list have this.
    pub(super) is_renamed_at_admission: bool,
    pub(super) kustomize: Kustomize,
}

impl Kind {
    /// The first part of its written form.
    pub(super) fn word(&self) -> &'static str {
        self.form.split('/').next().unwrap_or_default()
    }
}

/// Where fields of a kind stand.
pub(super) enum Location {
    /// In a named item of a list in the pod spec.
    Item(ListField),
    /// In the pod spec, as the kind's own functions know.
    Own(Own),
    /// In a custom resource.
    Resource,
    /// In no field.
    Nowhere,
}

/// What a kind does in its own way.
pub(super) struct Own {
    pub(super) find: fn(&PodSpec, &Variables) -> Vec<LocatedField>,
    pub(super) managed: fn(&LocatedField) -> Option<Managed>,
    /// Adds the field where there was none: what comes before it in a workload of a kind.
    pub(super) add: fn(WorkloadKind, &PodSpec, &ImageField, &str) -> Vec<PatchOperation>,
    /// Removes what was added.
    pub(super) remove: fn(WorkloadKind, &PodSpec, &LocatedField) -> Vec<PatchOperation>,
}

/// What a field is to the container that its first name is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The image that it runs.
    OwnImage,
    /// What it starts or reads later.
    ComesWith,
    /// Made out of its image's name.
    DerivedFrom,
    /// Its names are none of a container.
    None,
}

/// What kustomize's `images:` does to a field (kubernetes-sigs/kustomize `api/filters/imagetag` and
/// `api/internal/konfig/builtinpluginconsts/images.go`).
pub(super) struct Kustomize {
    /// Whether it renames it in any kind of workload.
    pub(super) renames: bool,
    /// What it leaves out in a kind of workload, as a clause.
    pub(super) gap: fn(WorkloadKind) -> Option<&'static str>,
}

impl Kustomize {
    pub(super) const RENAMES: Self = Self { renames: true, gap: |_| None };
    /// What nobody expects it to rename.
    pub(super) const DOES_NOT_APPLY: Self = Self { renames: false, gap: |_| None };
}
