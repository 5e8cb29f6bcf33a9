//! Components that Cast AI's operator installs: a patch for each of its custom resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ReleaseValues;
use super::document::{Document, Output, comment, file_name};
use crate::castai::built_in;
use crate::cluster::custom::Resource;
use crate::cluster::release::ReleaseName;
use crate::printable::word;

/// A custom resource that installs a component.
pub struct Component<'r> {
    pub resource: &'r Resource,
    /// `None` if its release does not exist yet.
    pub patch: Option<Document>,
    /// Whether the resource rejects changes.
    pub is_readonly: bool,
}

impl Component<'_> {
    pub const fn is_applicable(&self) -> bool {
        self.patch.is_some() && !self.is_readonly
    }
}

/// All components among the custom resources of a cluster.
pub fn components<'r>(
    resources: &'r [Resource],
    decided: &BTreeMap<ReleaseName, ReleaseValues>,
    output: Output<'_>,
) -> Vec<Component<'r>> {
    let installing = resources.iter().filter(|resource| resource.definition.installs.is_some());
    let component = |resource| Component {
        resource,
        patch: patch(resource, decided, output),
        is_readonly: is_readonly(resource),
    };
    installing.map(component).collect()
}

/// The release of a component that Cast AI's operator installs from the component's values (castai/castware-operator
/// `api/v1alpha1/component_types.go`); `None` if there is no such release.
fn patch(
    resource: &Resource,
    decided: &BTreeMap<ReleaseName, ReleaseValues>,
    output: Output<'_>,
) -> Option<Document> {
    let installed = resource.definition.installed(&resource.name, &resource.content);
    let of_component = |values: &&ReleaseValues| {
        values.release.namespace == resource.namespace
            && installed.is_some_and(|component| built_in().installs(component, &values.chart.name))
    };
    let values = decided.values().find(of_component)?;
    let kind = resource.definition.plural();
    let file = file_name(&[&resource.namespace, &resource.name, "component"]);
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "{kind} {} in namespace {}, for Cast AI's operator. Apply with:",
            resource.name, resource.namespace
        ),
    );
    comment(
        &mut text,
        &format!(
            "kubectl patch {kind} {} --namespace {} --type=merge --patch-file={}",
            word(&resource.name, "NAME"),
            word(&resource.namespace, "NAMESPACE"),
            output.argument(&file)
        ),
    );
    for note in change_notes(resource) {
        comment(&mut text, &note);
    }
    let value = at_pointer(resource.definition.fields.first(), &values.values);
    Some(Document { file, comment: text, value })
}

/// What a patch of a resource requires, one sentence each.
pub fn change_notes(resource: &Resource) -> Vec<String> {
    let readonly = is_readonly(resource).then(|| {
        let field = resource.definition.readonly.as_deref().unwrap_or_default();
        format!("changes are rejected while {} is true", field.trim_start_matches('/').replace('/', "."))
    });
    readonly.into_iter().chain(resource.definition.on_change.clone()).collect()
}

/// Whether the resource rejects changes.
pub fn is_readonly(resource: &Resource) -> bool {
    let field = resource.definition.readonly.as_deref().and_then(|field| resource.content.pointer(field));
    field.and_then(Value::as_bool).unwrap_or_default()
}

/// An object with `value` at this JSON pointer.
fn at_pointer(pointer: Option<&String>, value: &Value) -> Value {
    let members =
        pointer.into_iter().flat_map(|pointer| pointer.rsplit('/')).filter(|member| !member.is_empty());
    members.fold(value.clone(), |inner, member| json!({member: inner}))
}
