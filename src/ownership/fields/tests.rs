use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::record::ANNOTATION;

const PUBLIC: &str = "ghcr.io/castai/x:v1";
const PRIVATE: &str = "e.example/ghcr.io/castai/x:v1";
const NEXT: &str = "e.example/ghcr.io/castai/x:v2";

fn container(name: &str) -> ImageField {
    ImageField::of_container(name)
}

/// Managers by name, whether they use server-side apply, and the containers whose image they own.
type Managers<'a> = &'a [(&'a str, bool, &'a [&'a str])];

/// A workload with these containers' images, all of them rewritten.
fn workload(images: &[(&str, &str)], managers: Managers<'_>) -> Workload {
    let record = json!({"from": PUBLIC, "to": PRIVATE});
    let records: BTreeMap<_, _> =
        images.iter().map(|(name, _)| (format!("container/{name}"), record.clone())).collect();
    let containers: Vec<_> =
        images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    let manager = |(index, (name, applies, owns)): (usize, &(&str, bool, &[&str]))| FieldManager {
        index,
        name: (*name).to_owned(),
        applies: *applies,
        time: None,
        image_fields: owns.iter().map(|name| container(name)).collect(),
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
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap(),
        has_ended: false,
        replicas: None,
        managers: managers.iter().enumerate().map(manager).collect(),
    }
}

#[test]
fn ownership_counts_where_an_owner_applies_and_is_shared_by_field() {
    let cases: &[(Managers<'_>, Option<(OwnedBy, &str)>)] = &[
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &["a"])], Some((OwnedBy::Both, "helm"))),
        (&[("helm", true, &["b"]), (FIELD_MANAGER, false, &["a"])], Some((OwnedBy::Plugin, "helm"))),
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &["b"])], Some((OwnedBy::Owner, "helm"))),
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &[])], Some((OwnedBy::Owner, "helm"))),
        (
            &[("x", true, &[]), ("helm-controller", true, &["a"]), (FIELD_MANAGER, false, &["a"])],
            Some((OwnedBy::Both, "helm-controller")),
        ),
        // Helm 3 ignores field ownership.
        (&[("helm", false, &["a"]), (FIELD_MANAGER, false, &["a"])], None),
        (&[(FIELD_MANAGER, false, &["a"])], None),
        (&[("helm", true, &["b"])], None),
        (&[("kustomize-controller", true, &["a"]), (FIELD_MANAGER, false, &["a"])], None),
        // Manual kubectl use is no owner and does not replace Helm.
        (&[("kubectl", true, &["a"]), (FIELD_MANAGER, false, &["a"])], None),
        (
            &[("kubectl", true, &["a"]), ("helm", true, &["b"]), (FIELD_MANAGER, false, &["a"])],
            Some((OwnedBy::Plugin, "helm")),
        ),
        // Server-side apply under our name is not the ownership that our patch created.
        (&[("helm", true, &["a"]), (FIELD_MANAGER, true, &["a"])], Some((OwnedBy::Owner, "helm"))),
    ];
    for (managers, expected) in cases {
        let found = field_ownership(&workload(&[("a", PRIVATE)], managers), &container("a"));
        let found = found.as_ref().map(|ownership| (ownership.owned_by, ownership.owner.as_str()));
        assert_eq!(found, *expected, "{managers:?}");
    }
}

#[test]
fn fields_owned_without_a_record_are_stale_when_an_owner_conflicts() {
    let cases: [(Managers<'_>, &[&str]); 4] = [
        (&[("helm", true, &["a"]), (FIELD_MANAGER, false, &["a", "b"])], &["b"]),
        (&[("helm", true, &["b"]), (FIELD_MANAGER, false, &["a"])], &[]),
        (&[("helm", false, &["a"]), (FIELD_MANAGER, false, &["b"])], &[]),
        (&[("helm", true, &["b"])], &[]),
    ];
    for (managers, expected) in cases {
        let workload = workload(&[("a", PRIVATE)], managers);
        let found = stale_fields(&workload, &Records::read(&workload.annotations));
        let expected: Vec<_> = expected.iter().map(|name| container(name)).collect();
        assert_eq!(found, expected, "{managers:?}");
    }
}

/// Containers' images, changes, relinquished fields, and the expected owner afterwards.
type OwnershipCase<'a> = (&'a [(&'a str, &'a str)], &'a [Change], &'a [ImageField], Option<OwnedBy>);

#[test]
fn we_own_a_workload_as_long_as_we_own_one_image() {
    let both: Managers<'_> = &[("helm", true, &["a", "b"]), (FIELD_MANAGER, false, &["a"])];
    let change = |name: &str| Change {
        image_field: container(name),
        from: Some(PUBLIC.into()),
        to: Some(PRIVATE.into()),
    };
    let cases: [OwnershipCase<'_>; 7] = [
        (&[("a", PRIVATE), ("b", PRIVATE)], &[], &[], Some(OwnedBy::Both)),
        (&[("a", PRIVATE), ("b", PRIVATE)], &[], &[container("a")], Some(OwnedBy::Owner)),
        (&[("a", PRIVATE), ("b", PUBLIC)], &[change("b")], &[container("a")], Some(OwnedBy::Plugin)),
        (&[("b", PRIVATE)], &[], &[], Some(OwnedBy::Owner)),
        (&[("b", NEXT)], &[], &[], Some(OwnedBy::Owner)),
        // An image that its owner restored needs no ownership.
        (&[("b", PUBLIC)], &[], &[], None),
        (&[("c", PRIVATE)], &[], &[], None),
    ];
    for (images, changes, relinquished, expected) in cases {
        let found = workload_ownership(&workload(images, both), changes, relinquished);
        assert_eq!(
            found.map(|ownership| ownership.owned_by),
            expected,
            "{images:?} {changes:?} {relinquished:?}"
        );
    }
}
