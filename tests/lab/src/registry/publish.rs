//! Publishes generated images in a distribution process, and changes existing ones.

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fault::{Action, Rule, Side};
use super::front::Front;
use super::image::{Image, Recipe, fingerprint, generate};
use super::upstream::{Upstream, header};

/// The result of publishing an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// Digest of the manifest that the tag refers to.
    pub digest: String,
    /// Digest of the first platform's own layer.
    pub own_layer: String,
    recipe: String,
}

impl Published {
    pub fn new(image: &Image, recipe: &Recipe) -> anyhow::Result<Self> {
        let top = image.top().context("an image must have a platform")?;
        Ok(Self {
            digest: top.digest.clone(),
            own_layer: image.own_layer.clone(),
            recipe: fingerprint(recipe),
        })
    }
}

/// Generates `host/repository:tag` and stores it; an existing image is neither generated nor sent again.
pub async fn publish(
    upstream: &Upstream,
    host: &str,
    repository: &str,
    tag: &str,
    recipe: &Recipe,
) -> anyhow::Result<Published> {
    let name = join(host, repository);
    let note = upstream.folder().join("published").join(format!("{}_{tag}.json", name.replace('/', "_")));
    let noted = std::fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Published>(&text).ok());
    if let Some(noted) = noted
        && noted.recipe == fingerprint(recipe)
        && let Some(headers) = upstream.head(&format!("/v2/{name}/manifests/{tag}")).await?
        && header(&headers, "docker-content-digest") == noted.digest
    {
        return Ok(noted);
    }
    let image = {
        // Hashing uses a whole core, and several images may be generated concurrently.
        let (name, tag, recipe) = (name.clone(), tag.to_owned(), recipe.clone());
        tokio::task::spawn_blocking(move || generate(&name, &tag, &recipe)).await??
    };
    for blob in &image.blobs {
        upstream.push_blob(&name, &blob.digest, blob.bytes.clone()).await?;
    }
    let top = image.top().context("an image must have a platform")?;
    for manifest in &image.manifests {
        let reference = if manifest.digest == top.digest { tag } else { &manifest.digest };
        upstream.push_manifest(&name, reference, &manifest.media_type, manifest.bytes.clone()).await?;
    }
    let published = Published::new(&image, recipe)?;
    std::fs::create_dir_all(note.parent().context("the note has a folder")?)?;
    std::fs::write(note, serde_json::to_vec(&published)?)?;
    Ok(published)
}

/// The fault that makes a registry serve `published` with a wrong byte.
pub fn corruption(published: &Published) -> Rule {
    let digest = published.own_layer.trim_start_matches("sha256:").to_owned();
    Rule {
        method: Some("GET".into()),
        path: Some(digest),
        ..Rule::always(Action::Corrupt { at: 1000, of: Side::Response })
    }
}

/// An image to publish, in the format of the control API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The registry's name in image names (`docker.io`); empty if the front server has only one.
    #[serde(default)]
    pub host: String,
    pub repository: String,
    pub tag: String,
    #[serde(default)]
    pub recipe: Recipe,
}

/// A tag to remove or, with `to`, to move to the image of another tag or digest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    #[serde(default)]
    pub host: String,
    pub repository: String,
    pub tag: String,
    pub to: Option<String>,
}

#[derive(Clone)]
struct Shelf {
    front: Front,
    upstream: Upstream,
}

/// `POST /images` publishes, `PUT /images` moves a tag, `DELETE /images?host=…&repository=…&tag=…` removes one.
pub fn control(front: &Front, upstream: &Upstream) -> Router {
    let shelf = Shelf { front: front.clone(), upstream: upstream.clone() };
    Router::new().route("/images", post(add).put(point).delete(remove)).with_state(shelf)
}

/// A failure of the control API.
pub struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{:#}\n", self.0)).into_response()
    }
}

async fn add(State(shelf): State<Shelf>, Json(order): Json<Order>) -> Result<Json<Published>, Failure> {
    let Order { host, repository, tag, recipe } = order;
    let published = publish(&shelf.upstream, &host, &repository, &tag, &recipe).await?;
    if recipe.corrupt {
        shelf.front.faults.add(corruption(&published));
    }
    Ok(Json(published))
}

async fn point(State(shelf): State<Shelf>, Json(tag): Json<Tag>) -> Result<(), Failure> {
    let name = join(&tag.host, &tag.repository);
    let to = tag.to.context("`to` is missing: a tag or digest of the same repository")?;
    let manifest = shelf.upstream.manifest(&name, &to).await?;
    let manifest = manifest.with_context(|| format!("{name} has no {to}"))?;
    shelf.upstream.push_manifest(&name, &tag.tag, &manifest.media_type, manifest.bytes).await?;
    Ok(())
}

async fn remove(State(shelf): State<Shelf>, Query(tag): Query<Tag>) -> Result<Body, Failure> {
    let name = join(&tag.host, &tag.repository);
    if !shelf.upstream.delete_tag(&name, &tag.tag).await? {
        return Err(anyhow::anyhow!("{name} has no tag {}", tag.tag).into());
    }
    Ok(Body::empty())
}

fn join(host: &str, repository: &str) -> String {
    if host.is_empty() { repository.into() } else { format!("{host}/{repository}") }
}
