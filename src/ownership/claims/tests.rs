use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::record::ANNOTATION;

const PUBLIC: &str = "ghcr.io/castai/x:v1";
const PRIVATE: &str = "e.example/ghcr.io/castai/x:v1";
const NEXT: &str = "e.example/ghcr.io/castai/x:v2";

fn container(name: &str) -> Carrier {
    Carrier::Container(name.to_owned())
}

/// Managers by name, whether they apply, and the containers whose image they claim.
type Managers<'a> = &'a [(&'a str, bool, &'a [&'a str])];

/// A workload with these containers' images, all rewritten once.
fn workload(images: &[(&str, &str)], managers: Managers<'_>) -> Workload {
    let record = json!({"from": PUBLIC, "to": PRIVATE});
    let records: BTreeMap<_, _> =
        images.iter().map(|(name, _)| (format!("container/{name}"), record.clone())).collect();
    let containers: Vec<_> =
        images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    let manager = |(index, (name, applies, claims)): (usize, &(&str, bool, &[&str]))| FieldManager {
        index,
        name: (*name).to_owned(),
        applies: *applies,
        time: None,
        carriers: claims.iter().map(|name| container(name)).collect(),
        fields: None,
    };
    Workload {
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "w".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: [(ANNOTATION.to_owned(), json!(records).to_string())].into(),
        owner: None,
        pod: serde_json::from_value(json!({"containers": containers})).unwrap(),
        has_ended: false,
        managers: managers.iter().enumerate().map(manager).collect(),
    }
}

#[test]
fn a_claim_counts_where_somebody_applies_and_is_shared_only_by_who_claims_it() {
    let cases: &[(Managers<'_>, Option<(Keeper, &str)>)] = &[
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &["a"])], Some((Keeper::Both, "helm"))),
        (&[("helm", true, &["b"]), (FIELD_MANAGER, false, &["a"])], Some((Keeper::Plugin, "helm"))),
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &["b"])], Some((Keeper::Owner, "helm"))),
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &[])], Some((Keeper::Owner, "helm"))),
        (
            &[("x", true, &[]), ("helm-controller", true, &["a"]), (FIELD_MANAGER, false, &["a"])],
            Some((Keeper::Both, "helm-controller")),
        ),
        // Helm 3 heeds nobody.
        (&[("helm", false, &["a"]), (FIELD_MANAGER, false, &["a"])], None),
        (&[(FIELD_MANAGER, false, &["a"])], None),
        (&[("helm", true, &["b"])], None),
        (&[("kustomize-controller", true, &["a"]), (FIELD_MANAGER, false, &["a"])], None),
        // A person's hand is no owner, and takes no guard from Helm.
        (&[("kubectl", true, &["a"]), (FIELD_MANAGER, false, &["a"])], None),
        (
            &[("kubectl", true, &["a"]), ("helm", true, &["b"]), (FIELD_MANAGER, false, &["a"])],
            Some((Keeper::Plugin, "helm")),
        ),
        // An apply in our name is not the claim that a patch of ours made.
        (&[("helm", true, &["a"]), (FIELD_MANAGER, true, &["a"])], Some((Keeper::Owner, "helm"))),
    ];
    for (managers, expected) in cases {
        let found = claim(&workload(&[("a", PRIVATE)], managers), &container("a"));
        let found = found.as_ref().map(|claim| (claim.keeper, claim.owner.as_str()));
        assert_eq!(found, *expected, "{managers:?}");
    }
}

#[test]
fn what_we_claim_without_a_record_is_left_over_where_somebody_is_refused() {
    let cases: [(Managers<'_>, &[&str]); 4] = [
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &["a", "b"])], &["b"]),
        (&[("helm", true, &["b"]), (FIELD_MANAGER, false, &["a"])], &[]),
        (&[("helm", false, &["a"]), (FIELD_MANAGER, false, &["b"])], &[]),
        (&[("helm", true, &["b"])], &[]),
    ];
    for (managers, expected) in cases {
        let workload = workload(&[("a", PRIVATE)], managers);
        let found = left_over(&workload, &Records::read(&workload.annotations));
        let expected: Vec<_> = expected.iter().map(|name| container(name)).collect();
        assert_eq!(found, expected, "{managers:?}");
    }
}

/// Containers' images, what is changed and released, and who keeps the workload then.
type Kept<'a> = (&'a [(&'a str, &'a str)], &'a [Change], &'a [Carrier], Option<Keeper>);

#[test]
fn a_workload_is_kept_by_us_as_long_as_one_image_is() {
    let both: Managers<'_> = &[("helm", true, &["a", "b"]), (FIELD_MANAGER, false, &["a"])];
    let change =
        |name: &str| Change { carrier: container(name), from: Some(PUBLIC.into()), to: Some(PRIVATE.into()) };
    let cases: [Kept<'_>; 7] = [
        (&[("a", PRIVATE), ("b", PRIVATE)], &[], &[], Some(Keeper::Both)),
        (&[("a", PRIVATE), ("b", PRIVATE)], &[], &[container("a")], Some(Keeper::Owner)),
        (&[("a", PRIVATE), ("b", PUBLIC)], &[change("b")], &[container("a")], Some(Keeper::Plugin)),
        (&[("b", PRIVATE)], &[], &[], Some(Keeper::Owner)),
        (&[("b", NEXT)], &[], &[], Some(Keeper::Owner)),
        // What its owner put back is kept by nobody.
        (&[("b", PUBLIC)], &[], &[], None),
        (&[("c", PRIVATE)], &[], &[], None),
    ];
    for (images, changes, released, expected) in cases {
        let found = of_workload(&workload(images, both), changes, released);
        assert_eq!(found.map(|claim| claim.keeper), expected, "{images:?} {changes:?} {released:?}");
    }
}
