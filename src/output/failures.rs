//! Failed images: those with one cause share one error.

use crate::model::image::Image;
use crate::output::causes::{Cause, Causes};
use crate::output::table::count;
use crate::sync::report::{ImageReport, ImageResult};

/// One line for each cause, followed by the images if it fails several, and a hint if AWS permissions are missing.
pub(super) fn image_failures(images: &[ImageReport]) -> Vec<String> {
    let mut causes = Causes::new();
    for (index, image) in images.iter().enumerate() {
        if let (ImageResult::Failed | ImageResult::Missing, Some(message)) = (image.result, &image.message) {
            causes.add(message, [&image.image, &image.destination], index);
        }
    }
    let mut lines = Vec::new();
    for Cause { message, items, .. } in causes.all() {
        let images: Vec<_> = items.iter().map(|index| &images[*index]).collect();
        match &images[..] {
            [only] => lines.push(format!("error: {}: {message}", only.image)),
            images => {
                let failed = failed(images[0].message.as_deref().unwrap_or_default(), images[0]);
                lines.push(format!("error: {} {failed}: {message}", count(images.len(), "image")));
                lines.extend(images.iter().map(|image| format!("  {}", image.image)));
            }
        }
    }
    // AWS's own errors name this command, those of its registry do not.
    let is_denied = |message: &str| {
        message.contains("is not authorized to perform") && !message.contains("permissions iam")
    };
    if causes.all().iter().any(|cause| is_denied(&cause.message)) {
        lines.push(
            "hint: `kubectl castai-privatelink permissions iam` prints the IAM policy that the caller needs"
                .to_owned(),
        );
    }
    lines
}

/// What failed. A message that names the source and not the destination is about a pull; of others, it is not known on
/// which side they arose.
fn failed(message: &str, image: &ImageReport) -> &'static str {
    let names = |image: &Image| message.contains(&format!("/{}", image.path()));
    match image.result {
        ImageResult::Missing => "not mirrored",
        _ if names(&image.image) && !names(&image.destination) => "failed to pull from source",
        _ => "failed",
    }
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
            without_attestations: None,
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
            "error: 2 images failed: access denied to registry.example/…: not for repository/…".to_owned(),
            "  ghcr.io/castai/a:v1".to_owned(),
            "  ghcr.io/castai/a/c:v1".to_owned(),
            "error: 2 images failed to pull from source: manifest … not found in ghcr.io/…: check the name"
                .to_owned(),
            "  ghcr.io/castai/b:v2".to_owned(),
            "  ghcr.io/castai/d:v3".to_owned(),
            "error: ghcr.io/castai/e:v4: manifest v3 not found in ghcr.io/castai/e: check the name"
                .to_owned(),
        ];
        assert_eq!(image_failures(&images), expected);
    }
}
