//! EC2 instance metadata, only version 2: how a machine inside the VPC finds out where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{address, serve};

/// The machine that commands run on: a bastion in the first subnet.
pub const INSTANCE_ID: &str = "i-0fedcba9876543210";
pub const INSTANCE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 5);
const MAC: &str = "0e:49:61:0f:c3:11";
const SECURITY_GROUP: &str = "sg-0c1d2e3f4a5b6c7d8";

/// The longest lifetime of a token, in seconds (EC2 user guide, "Use the Instance Metadata Service").
const LONGEST_TOKEN: u32 = 21_600;
const TOKEN_TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

pub struct Settings {
    /// The address to listen on, in plain HTTP (`address::METADATA`, port 80, in the lab).
    pub address: SocketAddr,
}

/// How the service behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Answering,
    /// 404 for everything: not an EC2 instance, or metadata switched off.
    Off,
    /// Accepts every request and never responds, as with too low a hop limit.
    Silent,
}

/// Credentials of the instance's role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub token: String,
    /// RFC 3339.
    pub expiration: String,
}

/// Everything that control can change; fields that are omitted in a body are reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Instance {
    pub mode: Mode,
    /// The first is the VPC's primary block.
    pub vpc_cidrs: Vec<String>,
    pub role: Option<Role>,
}

impl Default for Instance {
    fn default() -> Self {
        Self { mode: Mode::default(), vpc_cidrs: vec![address::VPC_CIDR.to_owned()], role: None }
    }
}

/// The running service.
pub struct Metadata {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    instance: RwLock<Instance>,
    tokens: RwLock<BTreeSet<String>>,
}

impl Shared {
    fn instance(&self) -> Instance {
        self.instance.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, instance: Instance) {
        *self.instance.write().unwrap_or_else(PoisonError::into_inner) = instance;
    }
}

impl Metadata {
    /// Serves the metadata until the lab ends.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let shared = Arc::<Shared>::default();
        serve::http(settings.address, router(shared.clone())).await?;
        Ok(Self { shared })
    }

    /// `GET|PUT /instance` ([`Instance`]), `POST /reset`.
    pub fn control(&self) -> Router {
        Router::new()
            .route(
                "/instance",
                put(async |State(shared): State<Arc<Shared>>, Json(instance): Json<Instance>| {
                    shared.set(instance);
                })
                .get(async |State(shared): State<Arc<Shared>>| Json(shared.instance())),
            )
            .route("/reset", post(async |State(shared): State<Arc<Shared>>| shared.set(Instance::default())))
            .with_state(self.shared.clone())
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(any(answer)).with_state(shared)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let instance = shared.instance();
    match instance.mode {
        Mode::Answering => {}
        Mode::Off => return StatusCode::NOT_FOUND.into_response(),
        Mode::Silent => std::future::pending().await,
    }
    let path = request.uri().path();
    match *request.method() {
        Method::PUT if path == "/latest/api/token" => token(&shared, request.headers()),
        Method::GET | Method::HEAD => {
            let known = request.headers().get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
            let tokens = shared.tokens.read().unwrap_or_else(PoisonError::into_inner);
            if !known.is_some_and(|token| tokens.contains(token)) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            match find(&tree(&instance), path) {
                Some(text) => ([(header::CONTENT_TYPE, "text/plain")], text).into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn token(shared: &Shared, headers: &HeaderMap) -> Response {
    let seconds = headers.get(TOKEN_TTL_HEADER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let Some(seconds) = seconds.filter(|seconds| (1..=LONGEST_TOKEN).contains(seconds)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let token = format!("{:032x}==", rand::random::<u128>());
    shared.tokens.write().unwrap_or_else(PoisonError::into_inner).insert(token.clone());
    ([(TOKEN_TTL_HEADER, seconds.to_string())], token).into_response()
}

/// The text at `path`, or the entries of a folder, one per line, with a slash after folders.
fn find(tree: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let path = path.strip_prefix("/latest/")?.trim_end_matches('/');
    if let Some(text) = tree.get(path) {
        return Some(text.clone());
    }
    let entries = tree
        .keys()
        .filter_map(|key| key.strip_prefix(path)?.strip_prefix('/'))
        .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(folder, _)| format!("{folder}/")))
        .collect::<BTreeSet<_>>();
    (!entries.is_empty()).then(|| Vec::from_iter(entries).join("\n"))
}

/// Every leaf by its path below `/latest/`.
fn tree(instance: &Instance) -> BTreeMap<String, String> {
    let (address, zone) = (INSTANCE.to_string(), format!("{}a", address::REGION));
    let document = json!({
        "accountId": address::ACCOUNT,
        "architecture": "x86_64",
        "availabilityZone": zone,
        "imageId": "ami-0123456789abcdef0",
        "instanceId": INSTANCE_ID,
        "instanceType": "t3.medium",
        "pendingTime": "2026-01-01T00:00:00Z",
        "privateIp": address,
        "region": address::REGION,
        "version": "2017-09-30",
    });
    let name = "ip-10-0-1-5.ec2.internal";
    let mut tree: BTreeMap<String, String> = [
        ("dynamic/instance-identity/document", document.to_string().as_str()),
        ("meta-data/hostname", name),
        ("meta-data/instance-id", INSTANCE_ID),
        ("meta-data/instance-type", "t3.medium"),
        ("meta-data/local-hostname", name),
        ("meta-data/local-ipv4", &address),
        ("meta-data/mac", MAC),
        ("meta-data/placement/availability-zone", &zone),
        ("meta-data/placement/availability-zone-id", "use1-az1"),
        ("meta-data/placement/region", address::REGION),
        ("meta-data/services/domain", "amazonaws.com"),
        ("meta-data/services/partition", "aws"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let [(subnet_id, _, subnet_cidr), ..] = crate::aws::SUBNETS;
    let primary = instance.vpc_cidrs.first().map_or("", String::as_str);
    for (leaf, text) in [
        ("device-number", "0"),
        ("local-ipv4s", &address),
        ("mac", MAC),
        ("owner-id", address::ACCOUNT),
        ("security-group-ids", SECURITY_GROUP),
        ("subnet-id", subnet_id),
        ("subnet-ipv4-cidr-block", subnet_cidr),
        ("vpc-id", address::VPC_ID),
        ("vpc-ipv4-cidr-block", primary),
        ("vpc-ipv4-cidr-blocks", &instance.vpc_cidrs.join("\n")),
    ] {
        tree.insert(format!("meta-data/network/interfaces/macs/{MAC}/{leaf}"), text.to_owned());
    }
    if let Some(role) = &instance.role {
        let credentials = json!({
            "Code": "Success",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "Type": "AWS-HMAC",
            "AccessKeyId": role.access_key_id,
            "SecretAccessKey": role.secret_access_key,
            "Token": role.token,
            "Expiration": role.expiration,
        });
        tree.insert(format!("meta-data/iam/security-credentials/{}", role.name), credentials.to_string());
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_paths_match_ec2() {
        let role = Role {
            name: "bastion".into(),
            access_key_id: "ASIA".into(),
            secret_access_key: "secret".into(),
            token: "token".into(),
            expiration: "2030-01-01T00:00:00Z".into(),
        };
        let plain = Instance::default();
        let with_role = Instance { role: Some(role), ..Instance::default() };
        let elsewhere = Instance {
            vpc_cidrs: vec!["172.16.0.0/16".into(), "100.64.0.0/16".into()],
            ..Instance::default()
        };
        let macs = "/latest/meta-data/network/interfaces/macs";
        let cidrs = format!("{macs}/{MAC}/vpc-ipv4-cidr-blocks");
        let cases = [
            (&plain, "/latest/meta-data/placement/region", Some("us-east-1")),
            (&plain, "/latest/meta-data/placement/", Some("availability-zone\navailability-zone-id\nregion")),
            (&plain, macs, Some("0e:49:61:0f:c3:11/")),
            (&plain, &cidrs, Some("10.0.0.0/16")),
            (&elsewhere, &cidrs, Some("172.16.0.0/16\n100.64.0.0/16")),
            (&plain, "/latest/meta-data/iam/security-credentials/", None),
            (&with_role, "/latest/meta-data/iam/security-credentials/", Some("bastion")),
            (&plain, "/latest/meta-data/plac", None),
            (&plain, "/other", None),
        ];
        for (instance, path, expected) in cases {
            assert_eq!(find(&tree(instance), path).as_deref(), expected, "{path}");
        }
    }

    async fn send(shared: &Arc<Shared>, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(State(shared.clone()), request.body(axum::body::Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn a_token_is_required_and_expires() {
        let shared = Arc::<Shared>::default();
        let leaf = "/latest/meta-data/instance-id";
        let token_path = "/latest/api/token";
        assert_eq!(send(&shared, Method::GET, leaf, &[]).await.status(), 401);
        assert_eq!(send(&shared, Method::GET, leaf, &[(TOKEN_HEADER, "guess")]).await.status(), 401);
        assert_eq!(send(&shared, Method::PUT, token_path, &[]).await.status(), 400);
        assert_eq!(
            send(&shared, Method::PUT, token_path, &[(TOKEN_TTL_HEADER, "21601")]).await.status(),
            400
        );

        let response = send(&shared, Method::PUT, token_path, &[(TOKEN_TTL_HEADER, "60")]).await;
        assert_eq!(
            (response.status(), &response.headers()[TOKEN_TTL_HEADER]),
            (StatusCode::OK, &"60".parse().unwrap())
        );
        let token = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        let token = std::str::from_utf8(&token).unwrap();
        assert_eq!(send(&shared, Method::GET, leaf, &[(TOKEN_HEADER, token)]).await.status(), 200);

        shared.set(Instance { mode: Mode::Off, ..Instance::default() });
        assert_eq!(send(&shared, Method::GET, leaf, &[(TOKEN_HEADER, token)]).await.status(), 404);
    }
}
