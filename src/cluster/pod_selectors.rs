//! What selects pods by their labels in a namespace, and the pod template of a workload.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ApiResource;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::list::api;
use super::objects;
use crate::model::inventory::WorkloadName;

/// A kind whose objects select pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectingKind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// The plural.
    pub resource: &'static str,
    /// The field of `spec` with the selector.
    pub field: &'static str,
    /// Whether the field is a map of labels, where an empty one selects nothing.
    pub is_map: bool,
}

impl SelectingKind {
    /// kubectl's name of an object: `networkpolicy.networking.k8s.io/x`.
    pub fn object(&self, name: &str) -> String {
        let kind = self.kind.to_lowercase();
        if self.group.is_empty() { format!("{kind}/{name}") } else { format!("{kind}.{}/{name}", self.group) }
    }
}

/// An object with its selector.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSelector {
    pub kind: SelectingKind,
    pub name: String,
    pub selector: LabelSelector,
}

/// Selectors of all `kinds` in a namespace, and the kinds that cannot be listed. A kind that the cluster does not serve has
/// no objects.
pub async fn pod_selectors(
    connection: &Connection,
    namespace: &str,
    kinds: &[SelectingKind],
) -> (Vec<PodSelector>, Vec<SelectingKind>) {
    let lists = stream::iter(kinds.iter().copied())
        .map(|kind| async move { (kind, list(connection, namespace, kind).await) });
    let lists: Vec<_> = lists.buffered(4).collect().await;
    let (mut selectors, mut unread) = (Vec::new(), Vec::new());
    for (kind, listed) in lists {
        match listed {
            Ok(found) => selectors.extend(found),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => unread.push(kind),
        }
    }
    (selectors, unread)
}

async fn list(
    connection: &Connection,
    namespace: &str,
    kind: SelectingKind,
) -> Result<Vec<PodSelector>, Error> {
    let api_version = if kind.group.is_empty() {
        kind.version.to_owned()
    } else {
        format!("{}/{}", kind.group, kind.version)
    };
    let resource = ApiResource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        api_version,
        kind: kind.kind.to_owned(),
        plural: kind.resource.to_owned(),
    };
    let read = |object: objects::Object<'_>| {
        let spec = object.fields.get("spec")?;
        let selector = selector(spec.get(), kind)?;
        Some(PodSelector { kind, name: object.name, selector })
    };
    let found = objects::list(connection, &resource, Some(namespace), read).await?;
    Ok(found.into_iter().flatten().collect())
}

fn selector(spec: &str, kind: SelectingKind) -> Option<LabelSelector> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(spec).ok()?;
    let field = fields.remove(kind.field)?;
    if !kind.is_map {
        return serde_json::from_str(field.get()).ok();
    }
    let labels: Option<BTreeMap<String, String>> = serde_json::from_str(field.get()).ok()?;
    let labels = labels.filter(|labels| !labels.is_empty())?;
    Some(LabelSelector { match_labels: Some(labels), match_expressions: None })
}

/// What a pod needs to look as if it were one of a workload's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateIdentity {
    pub labels: BTreeMap<String, String>,
    pub service_account: Option<String>,
    pub pull_secrets: Vec<String>,
}

/// The labels, the service account and the pull secrets of a workload's pods.
///
/// # Errors
/// The workload does not exist, reading it is forbidden, or the server cannot be reached.
pub async fn template_identity(
    connection: &Connection,
    name: &WorkloadName,
) -> Result<TemplateIdentity, Error> {
    let api = api(connection, name.kind, Some(&name.namespace));
    let object = connection.read(|| api.get(&name.name)).await?;
    Ok(identity_of(&object.data["spec"]))
}

/// The template is in the workload's `spec`, for a `CronJob` in the template of its jobs.
fn identity_of(spec: &serde_json::Value) -> TemplateIdentity {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        labels: Option<BTreeMap<String, String>>,
    }
    #[derive(Deserialize)]
    struct Secret {
        name: Option<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Spec {
        service_account_name: Option<String>,
        image_pull_secrets: Option<Vec<Secret>>,
    }
    let template = spec.pointer("/jobTemplate/spec/template").unwrap_or(&spec["template"]);
    let metadata = Metadata::deserialize(&template["metadata"]).unwrap_or_default();
    let pod = Spec::deserialize(&template["spec"]).unwrap_or_default();
    TemplateIdentity {
        labels: metadata.labels.unwrap_or_default(),
        service_account: pod.service_account_name.filter(|name| !name.is_empty()),
        pull_secrets: pod
            .image_pull_secrets
            .into_iter()
            .flatten()
            .filter_map(|secret| secret.name.filter(|name| !name.is_empty()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_read_in_both_forms() {
        let kind = |is_map| SelectingKind {
            group: "",
            version: "v1",
            kind: "Service",
            resource: "services",
            field: "selector",
            is_map,
        };
        for (is_map, spec, expected) in [
            (true, r#"{"selector": {"app": "a"}}"#, Some(r#"{"matchLabels": {"app": "a"}}"#)),
            (true, r#"{"selector": {}}"#, None),
            (true, r#"{"type": "ExternalName"}"#, None),
            (false, r#"{"selector": {}}"#, Some("{}")),
            (
                false,
                r#"{"selector": {"matchLabels": {"app": "a"}}}"#,
                Some(r#"{"matchLabels": {"app": "a"}}"#),
            ),
        ] {
            let expected = expected.map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(selector(spec, kind(is_map)), expected, "{spec}");
        }
    }

    #[test]
    fn the_identity_of_pods_is_read_from_their_template() {
        let template = json!({
            "metadata": {"labels": {"app": "a"}},
            "spec": {"serviceAccountName": "sa", "imagePullSecrets": [{"name": "ecr"}, {"name": ""}]},
        });
        let expected = TemplateIdentity {
            labels: BTreeMap::from([("app".to_owned(), "a".to_owned())]),
            service_account: Some("sa".to_owned()),
            pull_secrets: vec!["ecr".to_owned()],
        };
        assert_eq!(identity_of(&json!({"template": template.clone()})), expected);
        assert_eq!(identity_of(&json!({"jobTemplate": {"spec": {"template": template}}})), expected);
        assert_eq!(identity_of(&json!({})), TemplateIdentity::default());
    }
}
