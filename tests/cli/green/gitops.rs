//! The same for owners that restore their own image: whether they do may be unknown.

use serde_json::json;

use super::{Fault, NONE, Row, assert_all};
use crate::harness::{apply, define_custom_resource, kubectl, own_lab};

#[test]
fn an_owner_that_cannot_be_read_is_named_and_its_workload_is_not_changed() {
    let lab = own_lab();
    define_custom_resource(&lab, "argoproj.io", "applications", "Application", "Namespaced");
    define_custom_resource(&lab, "helm.toolkit.fluxcd.io", "helmreleases", "HelmRelease", "Namespaced");
    apply(
        &lab,
        &json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "cast", "namespace": "default"},
            "spec": {"syncPolicy": {"automated": {"selfHeal": false}}},
        }),
    );
    for (workload, label) in [
        ("deployment/castai-agent", "argocd.argoproj.io/instance=cast"),
        ("deployment/castai-kvisor-controller", "helm.toolkit.fluxcd.io/name=kvisor"),
    ] {
        kubectl(&lab, &["label", "-n", "castai-agent", workload, label]);
    }
    let applications = Fault::Forbidden("/applications");
    let held: &[&str] = &["incomplete: 1 workload not updated; "];
    let argo = |command: &str| format!("{command} -l argocd.argoproj.io/instance --wait=false");
    let [argo_dry, argo_yes] = ["sync-images --dry-run", "sync-images --yes"].map(argo);
    let flux = "sync-images --yes -l helm.toolkit.fluxcd.io/name --wait=false";
    let rows: &[Row<'_>] = &[
        (applications, &argo_dry, 1, &["dry run: 1 workload not to be updated"], NONE),
        (applications, &argo_yes, 1, held, ("/workloads", "cannot read whether selfHeal is enabled")),
        (Fault::Nothing, &argo_yes, 0, &["done: "], NONE),
        // Flux corrects drift only if that is enabled, which is not its default, so nothing is held back.
        (Fault::Forbidden("/helmreleases"), flux, 0, &["done: "], NONE),
    ];
    assert_all(&lab, rows);
}
