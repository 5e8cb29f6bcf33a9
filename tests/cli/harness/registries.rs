//! The registries and their content.

use std::collections::BTreeSet;

use lab::address;
use lab::host::Lab;
use lab::registry::ecr::state::State;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

/// The path of [`MIRROR`] in ECR.
pub(crate) const PATH: &str = "castai-privatelink";
/// The default destination of images, without `--registry`.
pub(crate) const MIRROR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink";
pub(crate) const ECR: &str = address::ECR.0;

pub(crate) const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent";
pub(crate) const CONTROLLER: &str = "ghcr.io/castai/kvisor/kvisor-controller";
pub(crate) const KVISOR: &str = "ghcr.io/castai/kvisor/kvisor-agent";
pub(crate) const SCANNERS: &str = "ghcr.io/castai/kvisor/kvisor-scanners";
pub(crate) const HIBERNATE: &str = "castai/hibernate";

/// The images of the lab's first cluster, as written.
pub(crate) fn first_images() -> [String; 5] {
    [
        format!("{HIBERNATE}:v0.14"),
        format!("{KVISOR}:v1.164.8"),
        format!("{CONTROLLER}:v1.164.8"),
        format!("{SCANNERS}:v1.164.8"),
        format!("{AGENT}:v0.161.1"),
    ]
}

/// Publishes an image at its source; `name` is written in full, with host and tag. Returns its digest.
pub(crate) fn publish(lab: &Lab, name: &str, recipe: &Recipe) -> String {
    let (host, repository, tag) = split(name);
    let order = json!({"host": host, "repository": repository, "tag": tag, "recipe": recipe});
    post_image(lab, "source", &order)
}

/// Publishes an image in the customer's registry `ecr` or `oci`; `name` is `repository:tag`. Returns its digest.
pub(crate) fn publish_to(lab: &Lab, registry: &str, name: &str, recipe: &Recipe) -> String {
    let (repository, tag) = name.rsplit_once(':').expect("a tag");
    let order = json!({"repository": repository, "tag": tag, "recipe": recipe});
    post_image(lab, registry, &order)
}

fn post_image(lab: &Lab, registry: &str, order: &Value) -> String {
    let response = lab.control().post(&format!("/{registry}/images"), order).expect("the image is published");
    let response: Value = serde_json::from_slice(&response).expect("JSON");
    response["digest"].as_str().expect("a digest").to_owned()
}

/// Moves a tag at its source to `target`, a digest or another tag of the repository.
pub(crate) fn set_tag(lab: &Lab, name: &str, target: &str) {
    let (host, repository, tag) = split(name);
    let order = json!({"host": host, "repository": repository, "tag": tag, "to": target});
    lab.control().put("/source/images", &order).expect("the tag is set");
}

/// Removes a tag at its source.
pub(crate) fn unpublish(lab: &Lab, name: &str) {
    let (host, repository, tag) = split(name);
    let path = format!("/source/images?host={host}&repository={repository}&tag={tag}");
    lab.control().delete(&path).expect("the tag is removed");
}

/// Host, repository and tag of a name that is written in full.
fn split(name: &str) -> (&str, &str, &str) {
    let (host, rest) = name.split_once('/').expect("a host");
    let (repository, tag) = rest.rsplit_once(':').expect("a tag");
    (host, repository, tag)
}

/// The whole state of ECR.
pub(crate) fn ecr_state(lab: &Lab) -> State {
    lab.control().get("/ecr/state").expect("ECR's state")
}

/// Tags in ECR as `repository:tag`.
pub(crate) fn ecr_tags(lab: &Lab) -> BTreeSet<String> {
    let repositories = ecr_state(lab).repositories.into_iter();
    repositories
        .flat_map(|(name, repository)| repository.tags.into_keys().map(move |tag| format!("{name}:{tag}")))
        .collect()
}

/// Tags below the mirror's path in ECR as `repository:tag`, by the public names of the images.
pub(crate) fn mirrored_tags(lab: &Lab) -> BTreeSet<String> {
    let below_path = |tag: String| Some(tag.strip_prefix(PATH)?.strip_prefix('/')?.to_owned());
    ecr_tags(lab).into_iter().filter_map(below_path).collect()
}

/// The digest of `repository:tag` in ECR.
pub(crate) fn ecr_digest(lab: &Lab, image: &str) -> Option<String> {
    let (repository, tag) = image.rsplit_once(':').expect("a tag");
    ecr_state(lab).repositories.get(repository)?.tags.get(tag).cloned()
}

/// The digest of an image in the mirror; the image is given by its public name.
pub(crate) fn mirrored_digest(lab: &Lab, image: &str) -> Option<String> {
    ecr_digest(lab, &format!("{PATH}/{image}"))
}
