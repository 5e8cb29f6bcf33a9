//! Where Helm stores releases: in Secrets by default, in `ConfigMaps` with `HELM_DRIVER=configmap` (helm/helm
//! `pkg/storage/driver`). Releases of the SQL driver are outside the cluster.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{ListParams, ObjectMeta};
use serde::de::DeserializeOwned;

use super::Revision;
use crate::cluster::connect::Connection;
use crate::cluster::error::Error;
use crate::cluster::pages;

/// The beginning of the name of every object that holds a release (helm/helm `pkg/storage/storage.go`).
const NAME: &str = "sh.helm.release.v1.";

/// The key of the content in such an object.
const KEY: &str = "release";

/// A kind of object in which Helm stores releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Secrets,
    ConfigMaps,
}

impl Storage {
    /// The revisions in `namespace`, or in all namespaces, by their metadata only.
    pub(super) async fn revisions(
        self,
        connection: &Connection,
        namespace: Option<&str>,
    ) -> Result<Vec<Revision>, Error> {
        let parameters = ListParams::default().labels("owner=helm");
        match self {
            Self::Secrets => {
                let parameters = parameters.fields("type=helm.sh/release.v1");
                self.list::<Secret>(connection, namespace, parameters).await
            }
            Self::ConfigMaps => self.list::<ConfigMap>(connection, namespace, parameters).await,
        }
    }

    async fn list<K>(
        self,
        connection: &Connection,
        namespace: Option<&str>,
        parameters: ListParams,
    ) -> Result<Vec<Revision>, Error>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api: Api<K> = match namespace {
            Some(namespace) => Api::namespaced(connection.client.clone(), namespace),
            None => Api::all(connection.client.clone()),
        };
        let list = |parameters| async { api.list_metadata(&{ parameters }).await };
        pages::collect(connection, parameters, list, |revisions: &mut Vec<_>, objects| {
            let objects = objects.into_iter();
            revisions.extend(objects.filter_map(|object| self.revision(object.metadata)));
        })
        .await
    }

    /// The revision that an object holds, from the labels that Helm sets on it.
    fn revision(self, metadata: ObjectMeta) -> Option<Revision> {
        let mut labels = metadata.labels?;
        Some(Revision {
            release: (metadata.namespace?, labels.remove("name")?),
            number: labels.remove("version")?.parse().ok()?,
            status: labels.remove("status")?,
            // The label is no proof: other tools may set it on their ConfigMaps.
            object: metadata.name.filter(|name| name.starts_with(NAME))?,
            storage: self,
        })
    }

    /// The packed release in an object; `None` if the object has none.
    pub(super) async fn content(
        self,
        connection: &Connection,
        namespace: &str,
        object: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let client = || connection.client.clone();
        match self {
            Self::Secrets => {
                let api: Api<Secret> = Api::namespaced(client(), namespace);
                let data = connection.read(|| api.get(object)).await?.data;
                Ok(data.and_then(|mut data| data.remove(KEY)).map(|content| content.0))
            }
            Self::ConfigMaps => {
                let api: Api<ConfigMap> = Api::namespaced(client(), namespace);
                let data = connection.read(|| api.get(object)).await?.data;
                Ok(data.and_then(|mut data| data.remove(KEY)).map(String::into_bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_objects_of_helm_hold_releases() {
        let metadata = |name: &str, labels: &[(&str, &str)]| ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("castai-agent".to_owned()),
            labels: Some(
                labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ),
            ..ObjectMeta::default()
        };
        let labels = [("name", "castai-agent"), ("version", "3"), ("status", "deployed"), ("owner", "helm")];
        for storage in [Storage::Secrets, Storage::ConfigMaps] {
            let revision = storage.revision(metadata("sh.helm.release.v1.castai-agent.v3", &labels)).unwrap();
            let expected = ("castai-agent".to_owned(), "castai-agent".to_owned());
            assert_eq!((revision.release, revision.number, revision.storage), (expected, 3, storage));
            for (name, labels) in [
                ("settings-of-helm", &labels[..]),
                ("sh.helm.release.v1.castai-agent.v3", &labels[1..]),
                ("sh.helm.release.v1.castai-agent.v3", &labels[..1]),
                ("sh.helm.release.v1.x.v1", &[("name", "x"), ("version", "one"), ("status", "deployed")]),
            ] {
                assert_eq!(storage.revision(metadata(name, labels)), None, "{name} {labels:?}");
            }
        }
        assert_eq!(Storage::ConfigMaps.revision(ObjectMeta::default()), None);
        let unlabelled = ObjectMeta { labels: Some(BTreeMap::new()), ..ObjectMeta::default() };
        assert_eq!(Storage::Secrets.revision(unlabelled), None);
    }
}
