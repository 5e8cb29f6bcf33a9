//! A mutating webhook like that of a service mesh or of Cast AI's workload autoscaler: it adds an init container to pods.
//!
//! kube-apiserver calls it if a `MutatingWebhookConfiguration` names `https://<host>/inject`; by default none does.

use std::net::SocketAddr;

use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pki::Authority;
use crate::{address, serve};

/// A pod with this annotation gets an init container `injected` with the image in its value.
pub const ANNOTATION: &str = "injector.corp.example/image";

/// Serves the webhook on `address` until the lab ends.
pub async fn start(address: SocketAddr, authority: &Authority) -> anyhow::Result<()> {
    let router =
        Router::new().route("/inject", post(async |Json(review): Json<Value>| Json(answer(&review))));
    serve::https(address, authority.server(&[address::INJECTOR.0])?, router).await
}

/// The response to an `AdmissionReview` (admission.k8s.io/v1).
fn answer(review: &Value) -> Value {
    let request = &review["request"];
    let mut response = json!({"uid": request["uid"], "allowed": true});
    if let Some(patch) = patch(&request["object"]) {
        response["patchType"] = "JSONPatch".into();
        response["patch"] = STANDARD.encode(patch.to_string()).into();
    }
    json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
}

/// The patch that adds the init container, unless it exists: a webhook may be called twice.
fn patch(pod: &Value) -> Option<Value> {
    let image = &pod["metadata"]["annotations"][ANNOTATION];
    let container = json!({"name": "injected", "image": image.as_str()?});
    match pod["spec"]["initContainers"].as_array() {
        Some(present) if present.iter().any(|present| present["name"] == "injected") => None,
        Some(_) => Some(json!([{"op": "add", "path": "/spec/initContainers/-", "value": container}])),
        None => Some(json!([{"op": "add", "path": "/spec/initContainers", "value": [container]}])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_annotated_pods_get_the_container_and_only_once() {
        let pod = |annotations: Value, init: Value| json!({"metadata": {"annotations": annotations}, "spec": {"initContainers": init}});
        let annotated = || json!({ANNOTATION: "castai/x:v1"});
        assert_eq!(patch(&pod(json!({}), json!([]))), None);
        assert_eq!(patch(&pod(annotated(), json!([{"name": "injected"}]))), None);
        let added = |pod| patch(&pod).map(|patch| patch[0]["path"].clone());
        assert_eq!(added(pod(annotated(), Value::Null)), Some("/spec/initContainers".into()));
        assert_eq!(added(pod(annotated(), json!([{"name": "own"}]))), Some("/spec/initContainers/-".into()));
        let review = json!({"request": {"uid": "u", "object": pod(annotated(), Value::Null)}});
        assert_eq!(answer(&review)["response"]["patchType"], "JSONPatch");
    }
}
