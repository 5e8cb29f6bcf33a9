//! Reads the `ConfigMap`s and Secrets with endpoints of components.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::parse::cause;
use crate::preflight::references::{ObjectKind, ObjectReference, Objects, Unreadable};

/// Reads objects concurrently, each within `timeout`.
pub(super) async fn read(
    client: &Client,
    wanted: BTreeMap<ObjectReference, BTreeSet<String>>,
    timeout: Duration,
) -> Objects {
    let reads = wanted.into_iter().map(|(reference, keys)| async move {
        let data = tokio::time::timeout(timeout, read_one(client, &reference))
            .await
            .unwrap_or_else(|_| Err(Unreadable::Failed("timed out".to_owned())));
        let data = data.map(|data| data.into_iter().filter(|(key, _)| keys.contains(key)).collect());
        (reference, data)
    });
    join_all(reads).await.into_iter().collect()
}

async fn read_one(
    client: &Client,
    reference: &ObjectReference,
) -> Result<BTreeMap<String, String>, Unreadable> {
    let namespace = reference.namespace.as_str();
    match reference.kind {
        ObjectKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            let object = api.get(&reference.name).await.map_err(|error| unreadable(&error))?;
            Ok(object.data.unwrap_or_default())
        }
        ObjectKind::Secret => {
            let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
            let object = api.get(&reference.name).await.map_err(|error| unreadable(&error))?;
            let data = object.data.unwrap_or_default().into_iter();
            Ok(data.filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?))).collect())
        }
    }
}

fn unreadable(error: &kube::Error) -> Unreadable {
    match error {
        kube::Error::Api(status) if status.code == 404 => Unreadable::Missing,
        kube::Error::Api(status) if status.code == 403 => Unreadable::Forbidden,
        // The server's response may contain a Secret.
        kube::Error::SerdeError(error) => {
            Unreadable::Failed(format!("cannot read the server's response: {}", cause::json(error)))
        }
        other => Unreadable::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::preflight::http_server;

    #[tokio::test]
    async fn only_requested_keys_are_kept_and_errors_are_distinguished() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut tasks = JoinSet::new();
        let status = |code: u16, reason: &str| {
            format!(
                r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"{reason}","code":{code}}}"#
            )
        };
        let server = http_server::start(&mut tasks, move |request| {
            match request.split(' ').nth(1).unwrap_or_default() {
                "/api/v1/namespaces/castai-agent/configmaps/cluster" => {
                    ("200 OK", r#"{"data":{"API_URL":"https://api.cast.ai","OTHER":"x"}}"#.to_owned())
                }
                "/api/v1/namespaces/castai-agent/secrets/keys" => {
                    ("200 OK", r#"{"data":{"API_KEY":"c2VjcmV0","GRPC_URL":"Z3JwYy5jYXN0LmFp"}}"#.to_owned())
                }
                "/api/v1/namespaces/castai-agent/secrets/broken" => {
                    ("200 OK", r#"{"data":{"API_KEY":"s3cret!"}}"#.to_owned())
                }
                "/api/v1/namespaces/castai-agent/secrets/closed" => {
                    ("403 Forbidden", status(403, "Forbidden"))
                }
                _ => ("404 Not Found", status(404, "NotFound")),
            }
        })
        .await;
        let client = Client::try_from(kube::Config::new(server.parse().unwrap())).unwrap();
        let reference = |kind, name: &str| ObjectReference::new(kind, "castai-agent", name);
        let keys = || BTreeSet::from(["API_URL".to_owned(), "GRPC_URL".to_owned()]);
        let (cluster, secret) =
            (reference(ObjectKind::ConfigMap, "cluster"), reference(ObjectKind::Secret, "keys"));
        let closed = reference(ObjectKind::Secret, "closed");
        let gone = reference(ObjectKind::ConfigMap, "gone");
        let broken = reference(ObjectKind::Secret, "broken");
        let wanted = [&cluster, &secret, &closed, &gone, &broken]
            .into_iter()
            .map(|reference| (reference.clone(), keys()))
            .collect();
        let objects = read(&client, wanted, Duration::from_secs(10)).await;
        let found = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(objects.get(&cluster), Ok(&found("API_URL", "https://api.cast.ai")));
        assert_eq!(objects.get(&secret), Ok(&found("GRPC_URL", "grpc.cast.ai")));
        assert_eq!(objects.get(&closed), Err(&Unreadable::Forbidden));
        assert_eq!(objects.get(&gone), Err(&Unreadable::Missing));
        let broken = objects.get(&broken).unwrap_err().to_string();
        assert!(broken.contains("invalid value") && !broken.contains("s3cret"), "{broken}");
    }
}
