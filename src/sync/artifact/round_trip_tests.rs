//! Artifacts remain readable: each value is unchanged after reading and writing.
//!
//! If one of these texts has to change other than by a new field, the version has to change too.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::inventory::Inventory;
use crate::model::lock::Lock;
use crate::model::plan::Plan;
use crate::schema_tests::assert_valid;

const INVENTORY: &str = r#"{
  "apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Inventory", "created": "2026-11-23T06:00:00Z",
  "clusters": [{"name": "prod", "account": "123456789012", "region": "us-east-1", "platforms": ["linux/amd64"]}],
  "images": [{
    "image": "ghcr.io/castai/kvisor/kvisor-controller:v1",
    "usedBy": [
      {"place": {"type": "workload", "cluster": "prod", "namespace": "castai-agent", "kind": "Deployment",
                 "name": "castai-kvisor-controller"},
       "imageField": "container/controller", "reason": {"rule": "namespace", "namespace": "castai-agent"},
       "recordedSource": "ghcr.io/castai/kvisor/kvisor-controller:v1"},
      {"place": {"type": "file", "path": "hook.yaml", "manifest": "Job/hook"},
       "imageField": "init/wait", "reason": {"rule": "file", "path": "hook.yaml"},
       "notRewritable": "Jobs are immutable"}
    ]
  }],
  "notes": ["cannot list jobs.batch"]
}"#;

const PLAN: &str = r#"{
  "apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Plan", "created": "2026-11-23T06:00:00Z",
  "clusters": [],
  "destinations": [{
    "mirror": {"registry": "123456789012.dkr.ecr.us-east-1.amazonaws.com", "prefix": "castai"},
    "registry": {"type": "ecr", "account": "123456789012", "region": "us-east-1"},
    "images": [{
      "destination": "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai/ghcr.io/x:1", "source": "ghcr.io/x:1",
      "step": {"type": "copy", "content": {
        "digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "mediaType": "application/vnd.oci.image.index.v1+json", "platforms": ["linux/amd64"], "size": 42,
        "manifests": [{
          "digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
          "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2, "present": true,
          "blobs": [{"digest": "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "size": 40}]
        }]
      }},
      "usedBy": [{
        "image": "ghcr.io/x:1", "place": {"type": "file", "path": "-", "manifest": "Pod/x"},
        "imageField": "env/x/SCANNERS_IMAGE", "reason": {"rule": "variable", "variable": "SCANNERS_IMAGE"}
      }]
    }],
    "createRepositories": ["castai/ghcr.io/x"],
    "estimate": {"destinationRequests": 5, "sourceRequests": 3, "downloadBytes": 40, "uploadBytes": 40}
  }],
  "uploads": [{
    "digest": "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "size": 40,
    "from": "ghcr.io/x:1", "to": [{
      "destination": {"registry": "123456789012.dkr.ecr.us-east-1.amazonaws.com", "prefix": "castai"},
      "repository": "castai/ghcr.io/x"
    }]
  }],
  "clusterPlans": [{
    "cluster": "prod", "destination": {"registry": "123456789012.dkr.ecr.us-east-1.amazonaws.com", "prefix": "castai"},
    "workloads": [
      {
        "workload": {"cluster": "prod", "namespace": "castai-agent", "kind": "Deployment", "name": "x"},
        "step": {"type": "patch", "changes": [{"imageField": "container/x", "from": "ghcr.io/x:1", "to": "e.example/x:1"}],
          "patch": [
            {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "x"},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "e.example/x:1"}
          ]},
        "owners": [{"name": "Helm release x", "reverts": "reverts the image at its next upgrade", "selfHeals": false}]
      },
      {
        "workload": {"cluster": "prod", "namespace": "castai-agent", "kind": "Job", "name": "y"},
        "step": {"type": "notRewritable", "reason": "Jobs are immutable"}
      }
    ]
  }]
}"#;

const LOCK: &str = r#"{
  "apiVersion": "privatelink.cast.ai/v1alpha1", "kind": "Lock", "created": "2026-11-23T06:00:00Z",
  "destinations": [{
    "mirror": {"registry": "registry.example"},
    "images": [{
      "source": "castai/hibernate:v0.14", "destination": "registry.example/castai/hibernate:v0.14",
      "digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "mediaType": "application/vnd.oci.image.index.v1+json", "platforms": ["linux/amd64", "linux/arm64"],
      "size": 42, "verified": "2026-11-23T06:00:00Z"
    }]
  }]
}"#;

fn assert_kept<T: DeserializeOwned + Serialize>(text: &str) {
    let before: Value = serde_json::from_str(text).unwrap();
    let value: T = serde_json::from_str(text).unwrap();
    let after = serde_json::to_value(&value).unwrap();
    assert_valid(&after);
    for (key, part) in before.as_object().unwrap() {
        assert_eq!(part_without_new_fields(&after[key], part), *part, "{key}");
    }
}

/// The written value without new members: members may be added, but not removed.
fn part_without_new_fields(after: &Value, before: &Value) -> Value {
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => before
            .iter()
            .filter_map(|(key, old)| Some((key.clone(), part_without_new_fields(after.get(key)?, old))))
            .collect(),
        (Value::Array(after), Value::Array(before)) if after.len() == before.len() => {
            after.iter().zip(before).map(|(after, before)| part_without_new_fields(after, before)).collect()
        }
        _ => after.clone(),
    }
}

#[test]
fn an_inventory_survives_reading_and_writing() {
    assert_kept::<Inventory>(INVENTORY);
}

#[test]
fn a_plan_survives_reading_and_writing() {
    assert_kept::<Plan>(PLAN);
}

#[test]
fn a_lock_survives_reading_and_writing() {
    assert_kept::<Lock>(LOCK);
}
