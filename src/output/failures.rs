//! Failed images: those with one cause share one error.

use std::cmp::Reverse;

use crate::model::image::Image;
use crate::sync::report::{ImageReport, ImageResult};

/// One line for each cause, and one with the other images that it fails.
pub(super) fn image_failures(images: &[ImageReport]) -> Vec<String> {
    let mut causes: Vec<(String, &str, Vec<&Image>)> = Vec::new();
    for image in images {
        let (ImageResult::Failed | ImageResult::Missing, Some(message)) = (image.result, &image.message)
        else {
            continue;
        };
        let cause = cause(message, [&image.image, &image.destination]);
        match causes.iter_mut().find(|(known, ..)| *known == cause) {
            Some((.., others)) => others.push(&image.image),
            None => causes.push((cause, message, vec![&image.image])),
        }
    }
    let lines = causes.into_iter().flat_map(|(_, message, images)| {
        let [first, others @ ..] = &images[..] else { return Vec::new() };
        let mut lines = vec![format!("error: {first}: {message}")];
        if !others.is_empty() {
            let others = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            lines.push(format!("  the same for {others}"));
        }
        lines
    });
    lines.collect()
}

/// `message` without the names of the images that it is about, so that messages with one cause are equal.
fn cause(message: &str, images: [&Image; 2]) -> String {
    let mut names: Vec<_> = images
        .iter()
        .flat_map(|image| {
            [image.as_written().to_owned(), image.repository().to_owned(), format!("/{}", image.path())]
        })
        .collect();
    // A name may contain another one.
    names.sort_by_key(|name| Reverse(name.len()));
    let cause = names.iter().fold(message.to_owned(), |cause, name| cause.replace(name.as_str(), "/"));
    let tags = images.map(|image| image.version().stored_tag());
    let words = cause.split(' ').map(|word| if tags.iter().any(|tag| **tag == *word) { "tag" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(image: &str, message: &str) -> ImageReport {
        ImageReport {
            image: image.parse().unwrap(),
            destination: format!("registry.example/mirror/{image}").parse().unwrap(),
            provenance: None,
            result: ImageResult::Failed,
            message: Some(message.to_owned()),
            digest: None,
            platforms: Vec::new(),
            size: None,
            used_by: Vec::new(),
        }
    }

    #[test]
    fn images_with_one_cause_share_an_error() {
        let denied = |path: &str| {
            format!("access denied to registry.example/mirror/{path}: not for repository/mirror/{path}")
        };
        let missing = |name: &str, tag: &str| format!("manifest {tag} not found in {name}: check the name");
        let images = [
            failed("ghcr.io/castai/a:v1", &denied("ghcr.io/castai/a")),
            failed("ghcr.io/castai/b:v2", &missing("ghcr.io/castai/b", "v2")),
            failed("ghcr.io/castai/a/c:v1", &denied("ghcr.io/castai/a/c")),
            failed("ghcr.io/castai/d:v3", &missing("ghcr.io/castai/d", "v3")),
            failed("ghcr.io/castai/e:v4", "manifest v3 not found in ghcr.io/castai/e: check the name"),
            ImageReport { result: ImageResult::Skipped, ..failed("ghcr.io/castai/f:v1", "a note") },
        ];
        let expected = [
            format!("error: ghcr.io/castai/a:v1: {}", denied("ghcr.io/castai/a")),
            "  the same for ghcr.io/castai/a/c:v1".to_owned(),
            "error: ghcr.io/castai/b:v2: manifest v2 not found in ghcr.io/castai/b: check the name"
                .to_owned(),
            "  the same for ghcr.io/castai/d:v3".to_owned(),
            "error: ghcr.io/castai/e:v4: manifest v3 not found in ghcr.io/castai/e: check the name"
                .to_owned(),
        ];
        assert_eq!(image_failures(&images), expected);
    }
}
