//! A small registry on loopback for tests of registry clients, with faults on demand.

mod blobs;
mod ecr;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::blobs::{blob, upload_blob};
use self::ecr::ecr;
use crate::model::image::{Algorithm, Digest};

/// The registry's content, its behaviour, and the requests that it received.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Default)]
pub(crate) struct World {
    pub(crate) blobs: HashSet<(String, Digest)>,
    pub(crate) contents: HashMap<Digest, Bytes>,
    pub(crate) manifests: BTreeMap<(String, Digest), (String, Bytes)>,
    pub(crate) tags: BTreeMap<(String, String), Digest>,
    /// The repositories of an ECR; `None` for a registry that creates repositories on write.
    pub(crate) ecr: Option<BTreeSet<String>>,
    pub(crate) mounting: bool,
    /// Manifests in the archive of an ECR, and the blobs that only they name. Writing one again restores it.
    pub(crate) archived: HashSet<(String, Digest)>,
    /// Whether requests need a Bearer token.
    pub(crate) wants_token: bool,
    /// Whether anonymous requests get a challenge only at `/v2/`, and 404 elsewhere.
    pub(crate) hides: bool,
    /// Whether requests that write get 401 whatever they send.
    pub(crate) is_read_only: bool,
    /// The login that the token service asks for, or the registry itself without one.
    pub(crate) login: Option<Login>,
    /// The port of the token service, that of the registry by default.
    pub(crate) token_port: Option<u16>,
    /// The host of the token service, `127.0.0.1` by default.
    pub(crate) token_host: Option<&'static str>,
    /// Serial number of the currently valid token; others get 401.
    pub(crate) token: u32,
    /// Whether blobs are redirected to another origin, `localhost` instead of `127.0.0.1`.
    pub(crate) redirects: bool,
    /// Where POST and PUT of uploads, and POST of logins, are redirected to, once each.
    pub(crate) moves: Option<Moves>,
    /// If set, the body of an upload is read only after the one before is complete.
    pub(crate) one_upload_at_a_time: Option<Arc<tokio::sync::Mutex<()>>>,
    /// The blob whose upload is read first; the semaphore is closed once it is.
    pub(crate) first_upload: Option<(Digest, Arc<Semaphore>)>,
    /// Blobs whose bytes are followed by others, and those that end early, in complete responses.
    pub(crate) resized: HashMap<Digest, Resize>,
    /// Number of blob responses to cut off after half of the bytes.
    pub(crate) cuts: u32,
    /// One-time responses, returned first, for requests whose method and path contain the text.
    pub(crate) faults: Vec<(&'static str, StatusCode, &'static str)>,
    /// The answer to every HEAD, instead of the right one.
    pub(crate) head: Option<StatusCode>,
    /// Requests that contain this text are never read or answered.
    pub(crate) stalls: Option<&'static str>,
    /// Manifests that contain this text are answered with 405, as ECR does.
    pub(crate) refuses: Option<&'static str>,
    /// Whether a manifest's blobs are looked for before its text is checked.
    pub(crate) checks_blobs_first: bool,
    /// Blobs that are served with other bytes of the same length.
    pub(crate) corrupt: HashSet<Digest>,
    /// Method, path and query of every request; for ECR's API, the action.
    pub(crate) log: Vec<String>,
    /// `Authorization` headers that the other origin received.
    pub(crate) leaked: Vec<String>,
    pub(crate) uploads: u32,
    pub(crate) port: u16,
}

/// A login that a registry accepts.
#[derive(Clone, Copy)]
pub(crate) enum Login {
    /// User and password, encoded.
    Basic(&'static str),
    Identity(&'static str),
}

/// Redirects of uploads.
#[derive(Clone, Copy)]
pub(crate) struct Moves {
    pub(crate) status: StatusCode,
    /// The other host, with the same port unless it has one; the same host if empty.
    pub(crate) host: &'static str,
    /// Whether the body is read first.
    pub(crate) reads_body: bool,
}

/// How a blob differs from its descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Resize {
    pub(crate) length: usize,
    pub(crate) states_length: bool,
    pub(crate) honours_range: bool,
}

pub(crate) type Shared = Arc<Mutex<World>>;

impl World {
    pub(crate) fn add_blob(&mut self, repository: &str, bytes: &[u8]) -> Digest {
        self.add_blob_with(Algorithm::Sha256, repository, bytes)
    }

    pub(crate) fn add_blob_with(&mut self, algorithm: Algorithm, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::compute_with(algorithm, bytes);
        self.blobs.insert((repository.to_owned(), digest.clone()));
        self.contents.insert(digest.clone(), Bytes::copy_from_slice(bytes));
        digest
    }

    pub(crate) fn add_manifest(&mut self, repository: &str, manifest: &Value, tag: Option<&str>) -> Digest {
        let bytes = Bytes::from(manifest.to_string());
        let digest = Digest::compute(&bytes);
        let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
        self.manifests.insert((repository.to_owned(), digest.clone()), (media_type, bytes));
        if let Some(tag) = tag {
            self.tags.insert((repository.to_owned(), tag.to_owned()), digest.clone());
        }
        digest
    }

    /// Adds an index of two platforms; `shared` are their common layers, and each platform gets one more.
    pub(crate) fn add_image(&mut self, repository: &str, tag: &str, shared: &[&[u8]]) -> Digest {
        let mut entries = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let own = format!("{repository} {tag} {architecture}");
            let layers: Vec<Value> = shared
                .iter()
                .copied()
                .chain([own.as_bytes()])
                .map(|layer| {
                    json!({
                        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                        "digest": self.add_blob(repository, layer), "size": layer.len(),
                    })
                })
                .collect();
            let config = format!(r#"{{"os":"linux","architecture":"{architecture}","of":"{repository}"}}"#);
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": self.add_blob(repository, config.as_bytes()), "size": config.len(),
                },
                "layers": layers,
            });
            let digest = self.add_manifest(repository, &manifest, None);
            entries.push(json!({
                "mediaType": manifest["mediaType"], "digest": digest, "size": manifest.to_string().len(),
                "platform": {"os": "linux", "architecture": architecture},
            }));
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        });
        self.add_manifest(repository, &index, Some(tag))
    }

    /// Adds an attestation to the image of a tag, as `BuildKit` 0.32 makes it: its config is the empty descriptor with
    /// inline data, and it names its subject.
    pub(crate) fn attest(&mut self, repository: &str, tag: &str) -> Digest {
        let tagged = self.tags[&(repository.to_owned(), tag.to_owned())].clone();
        let (_, bytes) = self.manifests.remove(&(repository.to_owned(), tagged)).unwrap();
        let mut index: Value = serde_json::from_slice(&bytes).unwrap();
        let subject = index["manifests"][0].clone();
        let statement = format!(r#"{{"_type":"in-toto","of":"{repository}"}}"#);
        let attestation = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": self.add_blob(repository, b"{}"), "size": 2, "data": "e30=",
            },
            "layers": [{
                "mediaType": "application/vnd.in-toto+json",
                "digest": self.add_blob(repository, statement.as_bytes()), "size": statement.len(),
            }],
            "subject": {
                "mediaType": subject["mediaType"], "digest": subject["digest"], "size": subject["size"],
            },
        });
        let digest = self.add_manifest(repository, &attestation, None);
        index["manifests"].as_array_mut().unwrap().push(json!({
            "mediaType": attestation["mediaType"], "digest": digest, "size": attestation.to_string().len(),
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": subject["digest"],
            },
            "platform": {"os": "unknown", "architecture": "unknown"},
        }));
        self.add_manifest(repository, &index, Some(tag))
    }

    /// Number of logged requests that contain all of `words`.
    pub(crate) fn count(&self, words: &[&str]) -> usize {
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        self.log.iter().filter(has_all).count()
    }
}

/// Runs `test` with a registry and its host.
pub(crate) async fn with_registry<T>(world: World, test: impl AsyncFnOnce(Shared, String) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = Arc::new(Mutex::new(World { port, ..world }));
    let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
    tokio::select! {
        ended = axum::serve(listener, router) => panic!("the server ended: {ended:?}"),
        result = test(world, format!("127.0.0.1:{port}")) => result,
    }
}

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap()
}

async fn serve(State(world): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query: HashMap<String, String> =
        reqwest::Url::parse(&format!("http://x{}", parts.uri)).unwrap().query_pairs().into_owned().collect();
    let action = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let line = format!("{} {} {}", parts.method, parts.uri, action.unwrap_or_default());
    {
        let mut world = lock(&world);
        world.log.push(line.clone());
        let fault = world.faults.iter().position(|(text, ..)| line.contains(text));
        if let Some(position) = fault {
            let (_, status, retry_after) = world.faults.remove(position);
            let headers = [(header::RETRY_AFTER, retry_after)];
            return (status, headers, r#"{"errors":[{"code":"X","message":"fault"}]}"#).into_response();
        }
    }
    let stalls = lock(&world).stalls;
    if stalls.is_some_and(|text| line.contains(text)) {
        std::future::pending::<()>().await;
    }
    let is_upload = path.contains("/blobs/uploads/") && parts.method != Method::GET;
    let is_login = path == "/token" && parts.method == Method::POST;
    let moves = lock(&world).moves.filter(|_| (is_upload || is_login) && !query.contains_key("moved"));
    if let Some(moves) = moves {
        if moves.reads_body {
            let _ = to_bytes(body, usize::MAX).await;
        }
        let port = lock(&world).port;
        let host = match moves.host {
            "" => String::new(),
            host if host.contains(':') => format!("http://{host}"),
            host => format!("http://{host}:{port}"),
        };
        let join = if query.is_empty() { '?' } else { '&' };
        let location = format!("{host}{}{join}moved=secret", parts.uri);
        return (moves.status, [(header::LOCATION, location)]).into_response();
    }
    if path == "/token" {
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let (login, token) = {
            let mut world = lock(&world);
            let seen = parts.headers.get(header::AUTHORIZATION);
            let is_elsewhere = world.token_host.is_some();
            world.leaked.extend(seen.filter(|_| is_elsewhere).map(|value| format!("{value:?}")));
            world.leaked.extend((is_elsewhere && !body.is_empty()).then(|| format!("{body:?}")));
            (world.login, world.token)
        };
        let seen = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_accepted = match login {
            None => true,
            Some(Login::Basic(basic)) => seen == Some(&format!("Basic {basic}")),
            Some(Login::Identity(token)) => {
                let body = String::from_utf8_lossy(&body).into_owned();
                let has = |part: &str| body.split('&').any(|seen| seen == part);
                parts.method == Method::POST
                    && has("grant_type=refresh_token")
                    && has(&format!("refresh_token={token}"))
                    && has("service=test")
                    && body.contains("scope=repository%3A")
            }
        };
        if !is_accepted {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        return axum::Json(json!({"token": format!("t{token}"), "expires_in": 300})).into_response();
    }
    if let Some(bytes) = path.strip_prefix("/elsewhere/") {
        let mut world = lock(&world);
        let seen = parts.headers.get(header::AUTHORIZATION);
        world.leaked.extend(seen.map(|value| format!("{value:?}")));
        return blob(&mut world, &bytes.parse().unwrap(), &parts.headers);
    }
    let uploading = lock(&world).one_upload_at_a_time.clone().filter(|_| parts.method == Method::PUT);
    let first = lock(&world).first_upload.clone().filter(|_| is_upload && parts.method == Method::PUT);
    let is_first = |(digest, _): &(Digest, _)| query.get("digest") == Some(&digest.to_string());
    if let Some((_, begun)) = first.as_ref().filter(|first| !is_first(first)) {
        // It has no permits.
        let _ = begun.acquire().await;
    }
    let _uploading = match &uploading {
        Some(uploading) => Some(uploading.lock().await),
        None => None,
    };
    if let Some((_, begun)) = first.filter(is_first) {
        begun.close();
    }
    // An aborted body is never committed.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut world = lock(&world);
    if let Some(action) = action {
        return ecr(&mut world, action.rsplit('.').next().unwrap(), &body);
    }
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host.starts_with("localhost") {
        // What a redirect to another origin leads to needs no login.
        let seen = parts.headers.get(header::AUTHORIZATION);
        world.leaked.extend(seen.map(|value| format!("{value:?}")));
    } else if let Some(refusal) = refuse(&world, &parts.headers) {
        let is_hidden = world.hides && path != "/v2/" && !parts.headers.contains_key(header::AUTHORIZATION);
        return if is_hidden { unknown("NAME_UNKNOWN") } else { refusal };
    } else if world.is_read_only && !matches!(parts.method, Method::GET | Method::HEAD) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    distribution(&mut world, &parts.method, &path, &query, &parts.headers, body)
}

/// The 401 for a request without the valid token.
fn refuse(world: &World, headers: &HeaderMap) -> Option<Response> {
    let seen = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
    let (wanted, challenge) = if world.ecr.is_some() {
        (format!("Basic ecr{}", world.token), r#"Basic realm="ecr""#.to_owned())
    } else if world.wants_token {
        let host = world.token_host.unwrap_or("127.0.0.1");
        let realm = format!(
            r#"Bearer realm="http://{host}:{}/token",service="test""#,
            world.token_port.unwrap_or(world.port)
        );
        (format!("Bearer t{}", world.token), realm)
    } else if let Some(Login::Basic(basic)) = world.login {
        (format!("Basic {basic}"), r#"Basic realm="registry""#.to_owned())
    } else {
        return None;
    };
    if seen == Some(wanted.as_str()) {
        return None;
    }
    Some((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response())
}

fn distribution(
    world: &mut World,
    method: &Method,
    path: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let path = path.strip_prefix("/v2/").unwrap();
    if path.is_empty() {
        return StatusCode::OK.into_response();
    }
    if let (Some(status), &Method::HEAD) = (world.head, method) {
        return status.into_response();
    }
    if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
        return upload_blob(world, method, repository, upload, query, &body);
    }
    if let Some((repository, digest)) = path.split_once("/blobs/") {
        let digest: Digest = digest.parse().unwrap();
        if !world.blobs.contains(&(repository.to_owned(), digest.clone())) {
            return unknown("BLOB_UNKNOWN");
        }
        if *method == Method::HEAD {
            return StatusCode::OK.into_response();
        }
        if world.redirects {
            let location = format!("http://localhost:{}/elsewhere/{digest}", world.port);
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response();
        }
        return blob(world, &digest, headers);
    }
    let (repository, reference) = path.split_once("/manifests/").unwrap();
    let repository = repository.to_owned();
    if *method == Method::PUT {
        let media_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let named: Option<Digest> = reference.parse().ok();
        let algorithm = named.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::compute_with(algorithm, &body);
        if named.is_some_and(|named| named != digest) {
            return (StatusCode::BAD_REQUEST, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#).into_response();
        }
        let text = str::from_utf8(&body).unwrap_or_default();
        let is_refused = world.refuses.is_some_and(|refused| text.contains(refused));
        let refusal = || {
            let answer = r#"{"errors":[{"code":"UNSUPPORTED","message":"Invalid JSON syntax"}]}"#;
            (StatusCode::METHOD_NOT_ALLOWED, answer).into_response()
        };
        if is_refused && !world.checks_blobs_first {
            return refusal();
        }
        for needed in needed(&body) {
            let place = (repository.clone(), needed);
            if !world.blobs.contains(&place) && !world.manifests.contains_key(&place) {
                return (StatusCode::BAD_REQUEST, r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#)
                    .into_response();
            }
        }
        if is_refused {
            return refusal();
        }
        if reference.parse::<Digest>().is_err() {
            world.tags.insert((repository.clone(), reference.to_owned()), digest.clone());
        }
        world.archived.remove(&(repository.clone(), digest.clone()));
        world.manifests.insert((repository, digest.clone()), (media_type, body));
        return (StatusCode::CREATED, [("docker-content-digest", digest.to_string())]).into_response();
    }
    let digest = reference.parse().ok();
    let digest = digest.or_else(|| world.tags.get(&(repository.clone(), reference.to_owned())).cloned());
    let digest = digest.filter(|digest| !world.archived.contains(&(repository.clone(), digest.clone())));
    let found = digest.and_then(|digest| Some((world.manifests.get(&(repository, digest.clone()))?, digest)));
    match found {
        Some(((media_type, bytes), digest)) => {
            let headers =
                [("content-type", media_type.clone()), ("docker-content-digest", digest.to_string())];
            (headers, bytes.clone()).into_response()
        }
        None => unknown("MANIFEST_UNKNOWN"),
    }
}

/// All digests in a manifest.
fn needed(manifest: &[u8]) -> Vec<Digest> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let lists = ["layers", "manifests"].into_iter().filter_map(|field| manifest[field].as_array());
    let entries = lists.flatten().chain(manifest.get("config").filter(|config| !config.is_null()));
    entries.map(|entry| entry["digest"].as_str().unwrap().parse().unwrap()).collect()
}

fn unknown(code: &str) -> Response {
    let body = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
    (StatusCode::NOT_FOUND, body).into_response()
}
