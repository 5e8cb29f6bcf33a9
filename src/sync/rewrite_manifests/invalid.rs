//! Images of Cast AI in pod specs whose names are invalid references. Nothing can rename them, so that they would stay
//! as they are.

use crate::model::image::Image;
use crate::model::image_field::locate_image_fields;
use crate::printable::{one_line, without_login};
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::Manifest;
use crate::sync::public::PublicImage;

/// Maximum length of a name in a message, in characters.
const NAME_LIMIT: usize = 300;

/// The invalid names in `manifest` that are meant for images of Cast AI, or that the user maps. All other invalid names
/// are not ours to judge.
pub fn invalid_images(manifest: &Manifest, filter: &ImageFilter) -> Vec<PublicImage> {
    let fields = locate_image_fields(&manifest.pod, &filter.knowledge.image_variables());
    let invalid = fields.iter().filter_map(|field| {
        let error = field.value.parse::<Image>().err()?;
        let image = meant(&field.value).filter(|image| filter.is_castai(image))?;
        let template = manifest.position.template.split('/').skip(1);
        let field_path = template.chain(field.path.iter().map(String::as_str)).map(step).collect();
        Some(PublicImage {
            path: manifest.path.clone(),
            manifest: manifest.name.clone(),
            field: field_path,
            written: one_line(&without_login(&field.value), NAME_LIMIT),
            image,
            invalid: Some(error.reason().to_owned()),
        })
    });
    invalid.collect()
}

/// A token of a JSON pointer in a path as in `.spec.containers[0].image`.
fn step(token: &str) -> String {
    if token.parse::<usize>().is_ok() { format!("[{token}]") } else { format!(".{token}") }
}

/// Between the words of a name.
const SEPARATORS: [char; 3] = ['-', '.', '_'];

/// The image that an invalid name most likely means: without scheme, digest, invalid characters and empty segments. It is
/// only compared with known names, never pulled.
fn meant(text: &str) -> Option<Image> {
    let text = text.trim();
    let name = text.split_once("://").map_or(text, |(_, name)| name);
    let name = name.split('@').next().unwrap_or(name).to_ascii_lowercase();
    let segments: Vec<_> = name.split('/').filter(|segment| !segment.is_empty()).collect();
    let (last, parents) = segments.split_last()?;
    // A colon in the last segment begins a tag, and in the first one a port.
    let last = last.split(':').next().unwrap_or(last);
    let segments = parents.iter().copied().chain([last]).enumerate().map(|(index, segment)| {
        let is_valid = |character: &char| {
            character.is_ascii_alphanumeric()
                || "-._".contains(*character)
                || (index == 0 && *character == ':')
        };
        let segment: String = segment.chars().filter(is_valid).collect();
        let mut name = String::new();
        for character in segment.trim_matches(['-', '.', '_', ':']).chars() {
            // Of separators in a row, only the first one.
            if !(SEPARATORS.contains(&character) && name.ends_with(SEPARATORS)) {
                name.push(character);
            }
        }
        name
    });
    segments.filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Mirror;
    use crate::model::knowledge::Knowledge;
    use crate::sync::discover::manifests;

    #[test]
    fn invalid_names_of_cast_ai_are_found_with_their_field_and_reason() {
        let knowledge = Knowledge::read(serde_json::json!({
            "imagePrefixes": ["quay.io/acme/"], "repositories": ["quay.io/other/probe"],
        }));
        let mirror: Mirror = "mirror.example/castai".parse().unwrap();
        let filter = ImageFilter::default()
            .with(knowledge.unwrap())
            .mapped(vec!["mirror.example/castai/mapped=quay.io/mapped/x".parse().unwrap()])
            .below(vec![mirror]);
        let sha512 = format!("sha512:{}", "a".repeat(128));
        let sha384 = format!("sha384:{}", "a".repeat(96));
        let cases = [
            (format!("ghcr.io/castai/x:v1@{sha512}"), Some("sha512 digest")),
            (format!("ghcr.io/castai/x@{sha384}"), Some("sha384")),
            (format!("registry.k8s.io/cpa/cpvpa@{sha512}"), Some("sha512 digest")),
            (format!("alpine/k8s:1@{sha512}"), Some("sha512 digest")),
            (format!("mirror.example/castai/ghcr.io/castai/x@{sha512}"), Some("sha512 digest")),
            (format!("quay.io/mapped/x@{sha512}"), Some("sha512 digest")),
            (format!("mirror.example/castai/mapped@{sha512}"), Some("sha512 digest")),
            ("ghcr.io/castai/x@sha256:12".to_owned(), Some("")),
            ("ghcr.io//castai/x:v1".to_owned(), Some("")),
            ("/ghcr.io/castai/x:v1".to_owned(), Some("")),
            ("ghcr.io/castai/x/:v1".to_owned(), Some("")),
            ("https://ghcr.io/castai/x".to_owned(), Some("")),
            ("docker://castai/hibernate:v1".to_owned(), Some("")),
            ("ghcr.io/castai/X:v1".to_owned(), Some("")),
            ("quay.io/Acme/y".to_owned(), Some("")),
            ("ghcr.io/castai/a..b:v1".to_owned(), Some("")),
            ("quay.io/other/Probe".to_owned(), Some("")),
            ("ghcr.io/castai/x:v1 ".to_owned(), Some("")),
            ("ghcr.io/castai/x:v1:v2".to_owned(), Some("")),
            ("ghcr.io/castai/x:-1".to_owned(), Some("")),
            ("ghcr.io/castai/${NAME}:v1".to_owned(), Some("")),
            ("ghcr.io/castai/{{ .x }}:v1".to_owned(), Some("")),
            // Valid names, and those of others.
            ("ghcr.io/castai/x:v1".to_owned(), None),
            (format!("nginx@{sha512}"), None),
            ("quay.io//nginx".to_owned(), None),
            ("https://ghcr.io/other/x".to_owned(), None),
            ("e.example/ghcr.io/castai/X".to_owned(), None),
            ("${IMAGE}".to_owned(), None),
            ("///".to_owned(), None),
            (" ".to_owned(), None),
        ];
        for (name, expected) in cases {
            let pod = format!("containers: [{{name: b, image: nginx}}, {{name: a, image: '{name}'}}]");
            let text = format!("kind: Job\nmetadata: {{name: j}}\nspec: {{template: {{spec: {{{pod}}}}}}}");
            let parsed = manifests::parse("m.yaml", &text).unwrap();
            let found = invalid_images(&parsed.manifests[0], &filter);
            let Some(reason) = expected else {
                assert_eq!(found, [], "{name}");
                continue;
            };
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!((&*found[0].manifest, &*found[0].written), ("Job/j", name.trim()));
            assert_eq!(found[0].field, ".spec.template.spec.containers[1].image");
            assert!(found[0].invalid.as_ref().unwrap().contains(reason), "{name}: {found:?}");
        }
    }
}
