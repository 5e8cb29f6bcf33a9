//! Images of Cast AI that manifests still name by their public names after a rewrite: in fields that are not part of a
//! pod spec, such as the values of a custom resource, or in variables and arguments that are not known to hold an image.

use serde_json::Value;

use crate::model::image::Image;
use crate::model::inventory::Inventory;
use crate::model::knowledge::Knowledge;
use crate::parse::documents;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::{list_items, object_name};

/// An image that nodes would pull from its public registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicImage {
    /// The file, or `-` for standard input.
    pub path: String,
    /// `Kind/name`.
    pub manifest: String,
    /// `.spec.values.image.repository`.
    pub field: String,
    /// As in the text: with upper case, which no registry has, it is probably misspelt.
    pub written: String,
    pub image: Image,
    /// Why the name in a pod spec is not a valid reference.
    pub invalid: Option<String>,
}

impl PublicImage {
    /// File, manifest and field.
    pub fn location(&self) -> (String, String, String) {
        (self.path.clone(), self.manifest.clone(), self.field.clone())
    }
}

/// Parts of objects that no component reads: our own record names public images too.
const NOT_READ: [&str; 4] =
    ["/metadata/annotations", "/metadata/labels", "/metadata/managedFields", "/status"];

/// API groups whose objects only mention images: descriptions of fields, and rules of policies.
const NOT_PULLED: [&str; 3] = ["apiextensions.k8s.io/", "admissionregistration.k8s.io/", "kyverno.io/"];

/// Kinds with text for programs and people, in which a name is not always an image that is pulled.
const TEXTS: [&str; 2] = ["ConfigMap", "Secret"];

/// The images of Cast AI in `text`, which is rewritten and came from `path`.
pub fn public_images(path: &str, text: &str, knowledge: &Knowledge) -> Vec<PublicImage> {
    let mut found = Vec::new();
    let mut objects: Vec<Value> =
        documents::read(text).unwrap_or_default().into_iter().map(|document| document.value).rev().collect();
    while let Some(mut object) = objects.pop() {
        if let Some(items) = list_items(&mut object) {
            objects.extend(items.into_iter().rev());
            continue;
        }
        let kind = text_at(&object, "/kind");
        if TEXTS.contains(&kind.as_str())
            || NOT_PULLED.iter().any(|group| text_at(&object, "/apiVersion").starts_with(group))
        {
            continue;
        }
        for part in NOT_READ {
            if let Some(part) = object.pointer_mut(part) {
                part.take();
            }
        }
        let manifest = object_name(&object);
        search(
            &object,
            &mut |field, (written, image)| {
                let (path, manifest) = (path.to_owned(), manifest.clone());
                found.push(PublicImage { path, manifest, field, written, image, invalid: None });
            },
            knowledge,
        );
    }
    found
}

/// The images in `found` that the user did not exclude and the inventory lacks, one sentence each. Their fields may hold
/// only a part of a reference, so that they cannot be mirrored as they are.
pub fn not_listed(found: &[PublicImage], inventory: &Inventory, filter: &ImageFilter) -> Vec<String> {
    let is_listed = |image: &Image| {
        let mut listed =
            inventory.images.iter().flat_map(|wanted| [Some(&wanted.image), wanted.source.as_ref()]);
        listed.any(|listed| listed.is_some_and(|listed| listed.is_same(image)))
    };
    let missing = found.iter().filter(|public| {
        filter.admits(&public.image, None) && !filter.excludes(&public.written) && !is_listed(&public.image)
    });
    let sentence = |public: &PublicImage| {
        let PublicImage { path, manifest, field, written, .. } = public;
        format!(
            "{written} at {field} of {manifest} in {path} is not listed: add it with --include-image or leave it out with --exclude"
        )
    };
    missing.map(sentence).collect()
}

fn text_at(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Calls `found` for each image in `root`. The stack is on the heap: users' documents may be nested deep.
fn search(root: &Value, found: &mut impl FnMut(String, (String, Image)), knowledge: &Knowledge) {
    let mut values = vec![(String::new(), root)];
    while let Some((field, value)) = values.pop() {
        match value {
            Value::Object(members) => {
                values.extend(members.iter().rev().map(|(name, value)| (format!("{field}.{name}"), value)));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate().rev();
                values.extend(items.map(|(index, value)| (format!("{field}[{index}]"), value)));
            }
            Value::String(text) => {
                let mut images: Vec<_> = names(text, knowledge).collect();
                images.dedup();
                for image in images {
                    found(field.clone(), image);
                }
            }
            _ => {}
        }
    }
}

/// The images of Cast AI that a text names, alone or among others.
fn names<'t>(text: &'t str, knowledge: &'t Knowledge) -> impl Iterator<Item = (String, Image)> + 't {
    let is_of_a_name = |character: char| character.is_ascii_alphanumeric() || "-._/:@+".contains(character);
    let words = text.split(move |character| !is_of_a_name(character)).filter(|word| word.contains('/'));
    words.filter_map(|word| {
        let word = word.trim_end_matches(['.', ':']);
        // A name with an unsupported digest is still one of Cast AI.
        let name = word.split('@').next().unwrap_or(word);
        let parsed = word.parse().or_else(|_| word.to_ascii_lowercase().parse());
        let image: Image = parsed.or_else(|_| name.parse()).ok()?;
        // `castai/x` may be anything, such as a path; with a registry or a tag it is an image.
        let is_image = image.as_written() != image.repository()
            || image.as_written().split('/').next().is_some_and(|host| host.contains('.'));
        (is_image && knowledge.image_prefix(&image).is_some()).then(|| (word.to_owned(), image))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::castai::built_in;

    fn found(text: &str) -> Vec<String> {
        let found = public_images("-", text, built_in()).into_iter();
        found.map(|one| format!("{} {} {}", one.manifest, one.field, one.written)).collect()
    }

    #[test]
    fn images_outside_of_pod_specs_are_found() {
        const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent";
        let component = format!(
            "kind: Component\nmetadata: {{name: c}}\nspec: {{values: {{image: {{repository: {AGENT}, tag: v1}}}}}}"
        );
        assert_eq!(found(&component), [format!("Component/c .spec.values.image.repository {AGENT}")]);
        let digest = format!("{AGENT}:v1@sha512:{}", "b".repeat(128));
        let pod = format!("kind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{image: '{digest}'}}]}}");
        assert_eq!(found(&pod), [format!("Pod/p .spec.containers[0].image {digest}")]);
        let list = format!(
            "kind: List\nitems:\n- {{kind: Next, metadata: {{name: m}}, spec: {{a: 'x={AGENT}:v1, y'}}}}"
        );
        assert_eq!(found(&list), [format!("Next/m .spec.a {AGENT}:v1")]);
        let pod =
            "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{args: ['--image=castai/hibernate:v1']}]}";
        assert_eq!(found(pod), ["Pod/p .spec.containers[0].args[0] castai/hibernate:v1"]);
        let misspelt =
            format!("kind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{image: '{AGENT}-X:v1'}}]}}");
        assert_eq!(found(&misspelt), [format!("Pod/p .spec.containers[0].image {AGENT}-X:v1")]);
    }

    #[test]
    fn images_that_are_not_listed_are_named_once() {
        let text = "kind: JobSet\nmetadata: {name: js}\nspec: {job: {image: 'ghcr.io/castai/b:v1'}, args: ['--a=ghcr.io/castai/a:v1']}\n---\n\
                    spec: {image: 'ghcr.io/castai/c:v1'}";
        let pod =
            "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: 'ghcr.io/castai/a:v1'}]}";
        let manifests = crate::sync::discover::manifests::parse("f", pod).unwrap().manifests;
        let filter = ImageFilter::new(&[], &["ghcr.io/castai/excluded*".to_owned()]).unwrap();
        let found = crate::sync::discover::Found { manifests: &manifests, ..Default::default() };
        let inventory = crate::sync::discover::discover(
            Vec::new(),
            &[found],
            &filter,
            Vec::new(),
            jiff::Timestamp::UNIX_EPOCH,
        );
        let text = format!("{text}\n---\nkind: X\nspec: 'ghcr.io/castai/excluded:v1'");
        let sentences = not_listed(&public_images("f", &text, built_in()), &inventory, &filter);
        let advice = "is not listed: add it with --include-image or leave it out with --exclude";
        let expected = [
            format!("ghcr.io/castai/b:v1 at .spec.job.image of JobSet/js in f {advice}"),
            format!("ghcr.io/castai/c:v1 at .spec.image of an object without kind and name in f {advice}"),
        ];
        assert_eq!(sentences, expected);
    }

    #[test]
    fn texts_that_pull_nothing_are_ignored() {
        for text in [
            "kind: Pod\nmetadata: {annotations: {a: 'ghcr.io/castai/x:v1'}, labels: {b: 'ghcr.io/castai/x:v1'}}",
            "kind: Pod\nspec: {image: 'e.example/ghcr.io/castai/x:v1'}",
            "kind: Pod\nspec: {url: 'https://ghcr.io/castai/x:v1', path: castai/charts, host: ghcr.io/castai/}",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {description: 'ghcr.io/castai/x:v1'}",
            "kind: ConfigMap\ndata: {note: 'ghcr.io/castai/x:v1 is used'}",
            "kind: ConfigMapList\nitems: [{data: {note: 'ghcr.io/castai/x:v1 is used'}}]",
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicyList\nitems: [{spec: {rule: 'ghcr.io/castai/x:v1'}}]",
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec: {rule: 'ghcr.io/castai/x:v1'}",
            "kind: Pod\nspec: {image: 'nginx:1'}",
            "",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
