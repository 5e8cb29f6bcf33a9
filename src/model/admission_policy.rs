//! The admission policies that `values policy` creates, in the kinds of both engines.

/// The name of all their objects.
pub const NAME: &str = "castai-privatelink";

/// A policy as the API server serves it.
#[derive(Debug)]
pub struct AdmissionPolicy {
    pub group: &'static str,
    /// Supported versions of the API, best first.
    pub versions: &'static [&'static str],
    /// The kinds of its objects. It has an effect only if all exist.
    pub kinds: &'static [&'static str],
}

/// v1alpha1 was never enabled by default.
pub const MUTATING: AdmissionPolicy = AdmissionPolicy {
    group: "admissionregistration.k8s.io",
    versions: &["v1", "v1beta1"],
    kinds: &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"],
};

pub const KYVERNO: AdmissionPolicy =
    AdmissionPolicy { group: "kyverno.io", versions: &["v1"], kinds: &["ClusterPolicy"] };

impl AdmissionPolicy {
    /// Its objects in kubectl's notation, for `kubectl delete`.
    pub fn objects(&self) -> Vec<String> {
        self.kinds.iter().map(|kind| format!("{}.{}/{NAME}", kind.to_lowercase(), self.group)).collect()
    }
}
