//! Custom resources of Cast AI whose fields hold images.

use serde_json::Value;

use super::records::records;
use crate::model::image::Image;
use crate::model::knowledge::{CustomResource, Knowledge};
use crate::parse::{self, MAX_DEPTH};

/// Maximum length of a JSON pointer, in bytes: the pointer of each field repeats the names of all enclosing objects.
const MAX_POINTER: usize = 4096;

/// An image in a field of a custom resource.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldImage {
    /// JSON pointer to the field, or to the object with `repository` and `tag`.
    pub pointer: String,
    pub image: Image,
}

/// The images of a custom resource.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FieldImages {
    pub images: Vec<FieldImage>,
    /// Some of its fields are nested too deep to be searched.
    pub is_incomplete: bool,
}

impl Knowledge {
    /// The kinds of Cast AI: ours sorted by group, then the user's.
    pub fn custom_resources(&self) -> Vec<&CustomResource> {
        let mut all: Vec<_> = records().iter().flat_map(|known| &known.resources).collect();
        all.sort_by_key(|resource| (&resource.group, &resource.kind));
        all.extend(&self.resources);
        all
    }

    /// The component whose controller installs charts for resources of this kind.
    pub fn installer<'k>(&'k self, resource: &'k CustomResource) -> &'k str {
        let mut all = self.all().filter(|known| !known.component.is_empty());
        let known = all.find(|known| known.resources.contains(resource));
        known.map_or(&resource.group, |known| &known.component)
    }
}

impl CustomResource {
    /// Why its images are mirrored but not rewritten.
    pub fn why_not_rewritable(&self) -> &str {
        self.not_rewritable.as_deref().unwrap_or("managed by the controller that created this resource")
    }

    /// The chart that its controller installs for a resource of this name, if it installs charts.
    pub fn installed<'r>(&self, name: &'r str, content: &'r Value) -> Option<&'r str> {
        let pointer = self.installs.as_ref()?;
        Some(content.pointer(pointer).and_then(Value::as_str).unwrap_or(name))
    }

    /// Name in RBAC rules: `components`.
    pub fn name(&self) -> String {
        format!("{}s", self.kind.to_lowercase())
    }

    /// kubectl's name for lists: `components.castware.cast.ai`.
    pub fn plural(&self) -> String {
        format!("{}.{}", self.name(), self.group)
    }

    /// kubectl's name for one object: `component.castware.cast.ai`.
    pub fn singular(&self) -> String {
        format!("{}.{}", self.kind.to_lowercase(), self.group)
    }

    /// The images in `content`, an object of this kind. A repository without a tag is not an image: its chart sets the
    /// tag, and the Helm release that the controller installs shows the image.
    pub fn images(&self, content: &Value) -> FieldImages {
        let mut found = FieldImages::default();
        for pointer in &self.fields {
            if let Some(value) = content.pointer(pointer) {
                search(value, pointer, "", MAX_DEPTH, &mut found);
            }
        }
        found
    }
}

/// `name` is the key of `value`. `depth` is how deep the value may be nested, including objects in strings.
fn search(value: &Value, pointer: &str, name: &str, depth: usize, found: &mut FieldImages) {
    let Some(below) = depth.checked_sub(1).filter(|_| pointer.len() <= MAX_POINTER) else {
        found.is_incomplete = true;
        return;
    };
    match value {
        Value::Object(members) => {
            if let Some(image) = repository_and_tag(members) {
                found.images.push(FieldImage { pointer: pointer.to_owned(), image });
            }
            // A JSON patch names the field in its path: {"op": "replace", "path": "/spec/…/image", "value": "…"}.
            let target = members.get("path").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            for (member, value) in members {
                let name = if member == "value" { target.unwrap_or(member) } else { member };
                search(value, &format!("{pointer}/{}", escaped(member)), name, below, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &format!("{pointer}/{index}"), name, below, found);
            }
        }
        Value::String(text) => {
            // Patches may contain whole objects as strings.
            let inner = text.starts_with(['{', '[']).then(|| parse::json::from_str(text));
            match inner {
                Some(Ok(inner)) => search(&inner, pointer, name, below, found),
                Some(Err(parse::json::Error::TooDeep { .. })) => found.is_incomplete = true,
                _ => {
                    if let Some(image) = named_image(name, text) {
                        found.images.push(FieldImage { pointer: pointer.to_owned(), image });
                    }
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn repository_and_tag(members: &serde_json::Map<String, Value>) -> Option<Image> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // cpvpa's chart values call the tag `version`.
    let (repository, tag) = (text("repository")?, text("tag").or_else(|| text("version"))?);
    let registry = text("registry").map(|registry| format!("{registry}/")).unwrap_or_default();
    let image: Image = format!("{registry}{repository}:{tag}").parse().ok()?;
    // A chart repository has a version too, but is not an image.
    (!repository.contains("://")).then_some(image)
}

/// An image in a field whose name says so. Some variables, such as `PROXY_IMAGE` of castai-db-optimizer, hold only a
/// tag.
fn named_image(name: &str, text: &str) -> Option<Image> {
    let is_named = name.eq_ignore_ascii_case("image") || name.ends_with("Image") || name.ends_with("_IMAGE");
    let has_version = text.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    if is_named && has_version { text.parse().ok() } else { None }
}

fn escaped(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::castai::records::built_in;

    fn definition(kind: &str) -> &'static CustomResource {
        let all = built_in().custom_resources();
        all.into_iter().find(|definition| definition.kind == kind).unwrap()
    }

    fn seen(kind: &str, content: &Value) -> Vec<(String, String)> {
        let definition = definition(kind);
        let images = definition.images(content).images.into_iter();
        images.map(|found| (found.pointer, found.image.to_string())).collect()
    }

    #[test]
    fn values_of_components_are_searched_for_images() {
        let component = json!({"spec": {"component": "castai-agent", "version": "0.1.0", "values": {
            "image": {"repository": "us-docker.pkg.dev/castai-hub/library/agent", "tag": "v1"},
            "clusterVPA": {"enabled": true, "repository": "registry.k8s.io/cpa/cpvpa", "version": "v0.8.4"},
            "sub/chart": {"image": {"repository": "castai/hibernate"}},
            "chart": {"repository": "https://castai.github.io/helm-charts", "version": "1.0.0"},
            "additionalEnv": {"SCANNERS_IMAGE": "ghcr.io/castai/kvisor/kvisor-scanners:v1", "PROXY_IMAGE": "v0.21.0"},
            "empty": {"repository": "x/y", "tag": ""},
            "split": {"registry": "ghcr.io", "repository": "castai/x", "tag": "v3"},
        }}, "image": "not/searched:v1"});
        assert_eq!(
            seen("Component", &component),
            [
                (
                    "/spec/values/additionalEnv/SCANNERS_IMAGE".to_owned(),
                    "ghcr.io/castai/kvisor/kvisor-scanners:v1".to_owned()
                ),
                ("/spec/values/clusterVPA".to_owned(), "registry.k8s.io/cpa/cpvpa:v0.8.4".to_owned()),
                ("/spec/values/image".to_owned(), "us-docker.pkg.dev/castai-hub/library/agent:v1".to_owned()),
                ("/spec/values/split".to_owned(), "ghcr.io/castai/x:v3".to_owned()),
            ]
        );
    }

    #[test]
    fn patches_of_pod_mutations_are_searched_for_images() {
        let mutation = json!({"spec": {
            "patches": [
                {"op": "replace", "path": "/spec/containers/0/image", "value": "shop/web:2"},
                {"op": "add", "path": "/spec/initContainers", "value": [{"name": "i", "image": "castai/init:v1"}]},
                {"op": "add", "path": "/metadata/labels/image", "value": "plain"},
            ],
            "patchesV2": [{"operations": [
                {"op": "add", "path": "/spec/containers/-", "value": "{\"name\": \"s\", \"image\": \"castai/side:v1\"}"},
            ]}],
        }});
        let images: Vec<_> = seen("PodMutation", &mutation).into_iter().map(|(_, image)| image).collect();
        assert_eq!(images, ["shop/web:2", "castai/init:v1", "castai/side:v1"]);
    }

    #[test]
    fn too_deeply_nested_objects_are_reported_as_unread() {
        let component = definition("Component");
        let images = |values: &Value| {
            let found = component.images(&json!({"spec": {"values": values}}));
            (found.images.len(), found.is_incomplete)
        };
        let image = json!({"image": "castai/x:v1"});
        let nested = |value: Value, depth: usize| (0..depth).fold(value, |inner, _| json!([inner]));
        assert_eq!(images(&nested(image.clone(), 250)), (1, false));
        assert_eq!(images(&nested(image.clone(), 260)), (0, true));
        // A string in a string: each level may be nested as well.
        let text = |value: &Value| Value::from(value.to_string());
        let texts = (0..4).fold(image.clone(), |inner, _| text(&nested(inner, 60)));
        assert_eq!(images(&texts), (1, false));
        assert_eq!(images(&text(&nested(texts, 60))), (0, true));
        for text in
            ["[".repeat(100_000), "[".repeat(100_000) + &"]".repeat(100_000), "{\"a\":".repeat(100_000)]
        {
            assert_eq!(images(&json!([text, image])), (1, true));
        }
        // A long key must not make a long pointer for each image.
        let many = json!({"x".repeat(5_000): [image]});
        assert_eq!(images(&many), (0, true));
    }
}
