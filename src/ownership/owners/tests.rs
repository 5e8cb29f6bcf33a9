use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::castai::built_in;
use crate::model::field_manager::FieldManager;
use crate::model::inventory::{WorkloadKind, WorkloadName};

fn workload(labels: &Value, annotations: &Value, managers: &[(&str, bool)]) -> Workload {
    Workload {
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "w".to_owned(),
        },
        labels: serde_json::from_value(labels.clone()).unwrap(),
        annotations: serde_json::from_value(annotations.clone()).unwrap(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": []}})).unwrap(),
        has_ended: false,
        replicas: None,
        managers: managers.iter().map(|(name, applies)| manager(name, *applies, 0)).collect(),
    }
}

fn manager(name: &str, applies: bool, second: i64) -> FieldManager {
    FieldManager {
        name: name.to_owned(),
        applies,
        time: Some(Timestamp::from_second(second).unwrap()),
        image_fields: vec![ImageField::of_container("agent")],
        index: 0,
        fields: None,
    }
}

fn component(name: &str) -> Resource {
    Resource {
        cluster: "c".to_owned(),
        namespace: "castai-agent".to_owned(),
        definition: built_in()
            .custom_resources()
            .into_iter()
            .find(|definition| definition.kind == "Component")
            .unwrap()
            .clone(),
        name: "any".to_owned(),
        content: json!({"spec": {"component": name}}),
    }
}

/// Labels, annotations, managers, and per owner: name, a word of its effect, and whether it self-heals.
type Case<'a> = (&'a Value, &'a Value, &'a [(&'a str, bool)], &'a [(&'a str, &'a str, bool)]);

#[test]
fn owners_are_recognised_by_labels_annotations_and_managers() {
    let release = json!({"meta.helm.sh/release-name": "castai-agent"});
    let chart = json!({"helm.sh/chart": "castai-agent-0.161.1"});
    let argo = json!({"argocd.argoproj.io/tracking-id": "cast:apps/Deployment:castai-agent/w"});
    let flux =
        json!({"kustomize.toolkit.fluxcd.io/name": "cast", "kustomize.toolkit.fluxcd.io/namespace": "flux"});
    let none = json!({});
    let applied = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    let shared = json!({"app.kubernetes.io/instance": "cast"});
    let left = json!({"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"});
    let cases: [Case<'_>; 13] = [
        (&none, &none, &[("kubectl-set", false)], &[]),
        (
            &chart,
            &release,
            &[("helm", false)],
            &[("Helm release castai-agent", "at its next upgrade", false)],
        ),
        (
            &chart,
            &release,
            &[("helm", true)],
            &[("Helm release castai-agent", "fails at its next upgrade", false)],
        ),
        (
            &chart,
            &release,
            &[("terraform-provider-helm_v2.17.0_x5", false)],
            &[("Terraform's Helm release castai-agent", "when its values or version change", false)],
        ),
        (&none, &argo, &[], &[("Argo CD application cast", "may revert the image within minutes", true)]),
        (
            &json!({"argocd.argoproj.io/instance": "cast"}),
            &none,
            &[],
            &[("Argo CD application cast", "may revert the image within minutes", true)],
        ),
        (&flux, &none, &[], &[("Flux Kustomization cast", "within minutes", true)]),
        (&flux, &left, &[], &[]),
        (
            &json!({"helm.toolkit.fluxcd.io/name": "cast"}),
            &release,
            &[("helm-controller", false)],
            &[("Flux HelmRelease castai-agent/cast", "driftDetection", false)],
        ),
        (
            &shared,
            &applied,
            &[("argocd-controller", false)],
            &[("Argo CD application cast", "may revert the image", true)],
        ),
        (&shared, &applied, &[("kubectl", false)], &[("kubectl apply", "again", false)]),
        (&none, &none, &[("HashiCorp", false)], &[("Terraform", "applied", false)]),
        (
            &none,
            &applied,
            &[("Terraform", true)],
            &[("Terraform", "applied", false), ("kubectl apply", "again", false)],
        ),
    ];
    for (labels, annotations, managers, expected) in cases {
        let seen = owners(&workload(labels, annotations, managers), &OwnershipContext::default());
        assert_eq!(seen.len(), expected.len(), "{seen:?}");
        for (owner, (name, words, self_heals)) in seen.iter().zip(expected) {
            assert_eq!((owner.name.as_str(), owner.self_heals), (*name, *self_heals), "{owner:?}");
            assert!(owner.reverts.contains(words), "{owner:?}");
        }
    }
}

#[test]
fn helm_conflicts_only_while_an_image_is_owned() {
    let annotations = |records: &Value| json!({"meta.helm.sh/release-name": "r", crate::model::record::ANNOTATION: records.to_string()});
    let records = annotations(&json!({"container/agent": {"from": "a:1", "to": "b:1"}}));
    let of = |annotations: &Value, owns: bool| {
        let mut workload = workload(&json!({}), annotations, &[("helm", true)]);
        let image_fields = if owns { vec![ImageField::of_container("agent")] } else { Vec::new() };
        let name = crate::model::field_manager::FIELD_MANAGER;
        workload.managers.push(FieldManager { image_fields, ..manager(name, false, 0) });
        owners(&workload, &OwnershipContext::default()).remove(0).reverts
    };
    assert!(of(&records, true).starts_with("fails at its next upgrade"));
    assert!(of(&records, false).starts_with("reverts the image"));
    // An image that is not rewritten yet will be owned by us.
    assert!(of(&annotations(&json!({})), false).starts_with("fails at its next upgrade"));
}

#[test]
fn the_upgrader_of_a_release_is_an_owner() {
    let chart = json!({"helm.sh/chart": "castai-agent-0.161.1"});
    let release = json!({"meta.helm.sh/release-name": "agent"});
    let owned = workload(&chart, &release, &[("helm", false)]);
    let mut upgrader = workload(&json!({}), &json!({}), &[]);
    upgrader.name.kind = WorkloadKind::CronJob;
    upgrader.name.name = "castai-chart-upgrader".to_owned();
    for (resources, workloads, expected) in [
        (vec![component("castai-agent")], vec![], vec!["castware-operator component castai-agent"]),
        (vec![component("agent")], vec![], vec!["castware-operator component agent"]),
        (vec![component("spot-handler")], vec![upgrader.clone()], vec!["castai-chart-upgrader"]),
    ] {
        let context = OwnershipContext::new(&workloads, &resources, built_in());
        let names: Vec<_> = owners(&owned, &context).into_iter().map(|owner| owner.name).collect();
        assert_eq!(names, [expected, vec!["Helm release agent"]].concat());
    }
}

#[test]
fn a_release_that_sets_the_private_images_is_no_owner_that_reverts_them() {
    let owned = workload(&json!({}), &json!({"meta.helm.sh/release-name": "agent"}), &[("helm", false)]);
    let mut context = OwnershipContext::default();
    assert_eq!(owners(&owned, &context).len(), 1);
    context.persisted.insert(owned.name.clone());
    assert_eq!(owners(&owned, &context), []);
}

#[test]
fn drift_correcting_releases_of_flux_are_recognised() {
    for (corrects, words) in
        [(true, "within minutes (driftDetection is enabled)"), (false, "at its next upgrade")]
    {
        let labels =
            json!({"helm.toolkit.fluxcd.io/name": "cast", "helm.toolkit.fluxcd.io/namespace": "flux"});
        let releases = BTreeMap::from([("flux/cast".to_owned(), corrects)]);
        let context = OwnershipContext { releases, ..OwnershipContext::default() };
        let seen = owners(&workload(&labels, &json!({}), &[]), &context);
        assert_eq!((seen[0].name.as_str(), seen[0].self_heals), ("Flux HelmRelease flux/cast", corrects));
        assert!(seen[0].reverts.ends_with(words), "{seen:?}");
    }
}

#[test]
fn self_healing_applications_of_argo_cd_are_recognised() {
    let owned = workload(&json!({"argocd.argoproj.io/instance": "cast"}), &json!({}), &[]);
    for self_heals in [true, false] {
        let applications = BTreeMap::from([("cast".to_owned(), self_heals)]);
        let context = OwnershipContext { applications, ..OwnershipContext::default() };
        assert_eq!(owners(&owned, &context)[0].self_heals, self_heals);
    }
}

#[test]
fn the_latest_manager_of_an_image_changed_it() {
    let mut changed = workload(&json!({}), &json!({}), &[]);
    changed.managers = vec![
        manager("kubectl-castai_privatelink", false, 5),
        manager("terraform-provider-helm_v2", false, 9),
        FieldManager { image_fields: Vec::new(), ..manager("kubectl-annotate", false, 20) },
    ];
    let by = changed_by(&changed, &ImageField::of_container("agent")).unwrap();
    assert_eq!(
        (by.manager.as_str(), by.who),
        ("terraform-provider-helm_v2", Some("Terraform's Helm provider"))
    );
    assert_eq!(changed_by(&changed, &ImageField::of_container("other")), None);
    for (name, who) in [
        ("helm", Some("Helm")),
        ("helm-controller", Some("Flux")),
        ("argocd-controller", Some("Argo CD")),
        ("kubectl-set", Some("kubectl set image")),
        ("somebody", None),
    ] {
        assert_eq!(known_manager(name), who);
    }
}
