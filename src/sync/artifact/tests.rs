use serde_json::{Value, json};

use super::*;

const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const OTHER: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
const MIRROR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink";

fn lock(images: &[(&str, &str)]) -> Lock {
    let images: Vec<Value> = images
        .iter()
        .map(|(source, destination)| {
            let destination = destination.replace("MIRROR", MIRROR);
            json!({"source": source, "destination": destination, "digest": ONE, "verified": "2026-11-26T00:00:00Z"})
        })
        .collect();
    let (registry, prefix) = MIRROR.split_once('/').unwrap();
    serde_json::from_value(json!({
        "apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Lock", "created": "2026-11-26T00:00:00Z",
        "destinations": [{"mirror": {"registry": registry, "prefix": prefix}, "images": images}],
    }))
    .unwrap()
}

/// A plan for one image that a Deployment in `namespace` uses.
fn plan(source: &str, destination: &str, namespace: &str) -> Value {
    let (registry, prefix) = MIRROR.split_once('/').unwrap();
    json!({
        "apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Plan", "created": "2026-11-26T00:00:00Z",
        "clusters": [],
        "destinations": [{
            "mirror": {"registry": registry, "prefix": prefix},
            "registry": {"type": "ecr", "account": "123456789012", "region": "us-east-1"},
            "images": [{
                "source": source, "destination": destination.replace("MIRROR", MIRROR),
                "step": {"type": "copy", "content": {"digest": ONE, "mediaType": "m",
                    "manifests": [{"digest": ONE, "mediaType": "m", "size": 2}]}},
                "usedBy": [{"image": source, "imageField": "container/c",
                    "place": {"type": "workload", "cluster": "c", "namespace": namespace, "kind": "Deployment", "name": "d"},
                    "reason": {"rule": "annotation"}}],
            }],
            "createRepositories": [], "uploads": [],
            "estimate": {"destinationRequests": 0, "sourceRequests": 0, "downloadBytes": 0, "uploadBytes": 0},
        }],
    })
}

fn check(plan: &Value, maps: &[&str], knowledge: &Knowledge) -> String {
    let plan: Plan = serde_json::from_value(plan.clone()).unwrap();
    let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("MIRROR", MIRROR).parse().unwrap()).collect();
    check_plan(&plan, &maps, knowledge).map_or_else(|fault| fault.to_string(), |()| String::new())
}

#[test]
fn every_destination_in_a_lock_follows_from_its_source() {
    let pinned = format!("castai/x:v1@{OTHER}");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("castai/x:v1", "MIRROR/castai/x:v1"), ("castai/x:v2", "MIRROR/castai/x:v2")], ""),
        (&[("castai/x:v1", "evil.example/castai/x:v1")], "evil.example/castai/x:v1: it is outside of"),
        (&[("castai/x:v1", "MIRROR/castai/y:v1")], "/castai/y:v1: unexpected name of castai/x:v1"),
        (&[("castai/x:v1", "MIRROR/castai/x:v2")], "/castai/x:v2: unexpected name of castai/x:v1"),
        (
            &[("castai/x:v1", "MIRROR/castai/x:v1"), ("castai/x:v1", "MIRROR/castai/x:v1")],
            "/castai/x:v1: duplicate entry",
        ),
        (
            &[("castai/x", "MIRROR/castai/x"), ("castai/x:latest", "MIRROR/castai/x:latest")],
            "duplicate entry",
        ),
        (&[(&pinned, &format!("MIRROR/{pinned}"))], "digest mismatch: pinned to sha256:2222"),
    ];
    for (images, expected) in cases {
        let seen = check_lock(&lock(images), &[]);
        match seen {
            Ok(()) => assert_eq!(*expected, "", "{images:?}"),
            Err(fault) => {
                assert!(!expected.is_empty() && fault.to_string().contains(expected), "{images:?}: {fault}");
            }
        }
    }
}

#[test]
fn a_second_destination_is_refused() {
    let mut lock = lock(&[("castai/x:v1", "MIRROR/castai/x:v1")]);
    let mut second = lock.destinations[0].clone();
    second.mirror = "evil.example".parse().unwrap();
    lock.destinations.push(second);
    let fault = check_lock(&lock, &[]).unwrap_err().to_string();
    assert!(fault.starts_with("evil.example: only one destination"), "{fault}");
}

#[test]
fn maps_come_from_flags_and_never_from_the_file() {
    let lock = lock(&[("castai/x:v1", "MIRROR/flat:v1")]);
    let fault = check_lock(&lock, &[]).unwrap_err();
    let hint = fault.hint.unwrap();
    assert!(hint.ends_with(&format!("--map {MIRROR}/flat=castai/x")), "{hint}");
    let map = format!("{MIRROR}/flat=castai/x").parse().unwrap();
    assert_eq!(check_lock(&lock, &[map]), Ok(()));
}

#[test]
fn a_plan_copies_only_allowed_sources_to_their_destinations() {
    let none = Knowledge::default();
    let known = Knowledge { repositories: vec!["acme/x".to_owned()], ..Knowledge::default() };
    let (good, strange) = ("castai/x:v1", "acme/x:v1");
    let own = |name: &str| format!("MIRROR/{name}");
    let cases = [
        (plan(good, &own(good), "shop"), &none, ""),
        (plan(strange, &own(strange), "castai-agent"), &none, ""),
        (plan(strange, &own(strange), "shop"), &known, ""),
        (plan(strange, &own(strange), "shop"), &none, "acme/x:v1: acme/x:v1 is not a known Cast AI image"),
        (plan(strange, &own(good), "castai-agent"), &none, "castai/x:v1: unexpected name"),
        (plan(good, "shop.example/castai/x:v1", "castai-agent"), &none, "it is outside of"),
    ];
    for (plan, knowledge, expected) in cases {
        let seen = check(&plan, &[], knowledge);
        assert!(seen.contains(expected) && seen.is_empty() == expected.is_empty(), "{plan}: {seen}");
    }
    let mapped = plan("acme/x:v1", "MIRROR/flat:v1", "shop");
    assert_eq!(check(&mapped, &["MIRROR/flat=acme/x"], &none), "");
}

#[test]
fn a_plan_is_complete() {
    let changed = |pointer: &str, value: Value| {
        let mut plan = plan("castai/x:v1", "MIRROR/castai/x:v1", "castai-agent");
        *plan.pointer_mut(pointer).unwrap() = value;
        check(&plan, &[], &Knowledge::default())
    };
    let image = "/destinations/0/images/0";
    let cases = [
        (changed(&format!("{image}/source"), Value::Null), "it has content but no source"),
        (changed(&format!("{image}/step/content/digest"), json!(OTHER)), "missing manifest"),
        (changed(&format!("{image}/step/content/manifests"), json!([])), "missing manifest"),
        (changed(&format!("{image}/source"), json!(format!("castai/x:v1@{OTHER}"))), "unexpected name"),
        (changed("/destinations/0/registry", json!({"type": "oci"})), "the registry kind does not match"),
    ];
    for (seen, expected) in cases {
        assert!(seen.contains(expected), "{seen}");
    }
    let mut twice = plan("castai/x:v1", "MIRROR/castai/x:v1", "castai-agent");
    let images = twice.pointer_mut("/destinations/0/images").unwrap().as_array_mut().unwrap();
    images.push(images[0].clone());
    assert!(check(&twice, &[], &Knowledge::default()).contains("duplicate entry"));
}

#[test]
fn a_tag_has_one_digest() {
    let pinned = format!("castai/x@{ONE}");
    let tag = "castai/x:digest-111111111111";
    let mut lock = lock(&[(&pinned, &format!("MIRROR/{pinned}")), (tag, &format!("MIRROR/{tag}"))]);
    assert_eq!(check_lock(&lock, &[]), Ok(()));
    lock.destinations[0].images[1].digest = OTHER.parse().unwrap();
    let fault = check_lock(&lock, &[]).unwrap_err().to_string();
    assert!(fault.contains("conflicting digests for its tag digest-111111111111"), "{fault}");
}
