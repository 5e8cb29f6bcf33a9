//! GitHub for users who install the plugin: downloads of a release, through a redirect to another host.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::pki::Authority;
use crate::{address, serve};

const RELEASES: &str = "/castai/kubectl-castai-privatelink/releases";

pub struct Settings {
    pub authority: Arc<Authority>,
    pub site: SocketAddr,
    pub assets: SocketAddr,
    /// A folder for each tag, with the release's files.
    pub releases: PathBuf,
}

/// Serves the current content of the folder; the latest release is the last tag by name.
pub async fn start(settings: Settings) -> anyhow::Result<()> {
    let Settings { authority, site, assets, releases } = settings;
    let pages = Router::new()
        .route(&format!("{RELEASES}/download/{{tag}}/{{file}}"), get(download))
        .route(&format!("{RELEASES}/latest/download/{{file}}"), get(latest))
        .with_state(releases.clone());
    serve::https(site, authority.server(&[address::GITHUB.0])?, pages).await?;
    let files = Router::new().route("/{tag}/{file}", get(asset)).with_state(releases);
    serve::https(assets, authority.server(&[address::GITHUB_ASSETS.0])?, files).await
}

async fn download(State(releases): State<PathBuf>, Path((tag, file)): Path<(String, String)>) -> Response {
    if !releases.join(&tag).join(&file).is_file() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let location = format!("https://{}/{tag}/{file}", address::GITHUB_ASSETS.0);
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

async fn latest(State(releases): State<PathBuf>, Path(file): Path<String>) -> Response {
    let tags = std::fs::read_dir(releases).into_iter().flatten().flatten().map(|tag| tag.file_name());
    match tags.max() {
        Some(tag) => {
            let location =
                format!("https://{}{RELEASES}/download/{}/{file}", address::GITHUB.0, tag.display());
            (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn asset(State(releases): State<PathBuf>, Path((tag, file)): Path<(String, String)>) -> Response {
    match tokio::fs::read(releases.join(tag).join(file)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
