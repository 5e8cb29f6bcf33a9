//! STS and EC2: moto behind a front server with the real host names, which adds faults and what moto lacks; and the parts
//! of EKS and Route 53 that describe a VPC.

mod error;
mod moto;
mod vpc;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub use self::error::{Fault, Service};
use self::moto::Moto;
pub use self::vpc::{FILES_HOST, HostedZone, cast_ai_services};
use crate::pki::Authority;
use crate::{address, serve};

/// The VPC's subnets: identifier, availability zone, address block.
pub const SUBNETS: [(&str, &str, &str); 2] = [
    ("subnet-0a1b2c3d4e5f60001", "us-east-1a", "10.0.1.0/24"),
    ("subnet-0a1b2c3d4e5f60002", "us-east-1b", "10.0.2.0/24"),
];

/// The main route table of the VPC.
pub const ROUTE_TABLE: &str = "rtb-0a1b2c3d4e5f60001";

/// The security group that EKS attaches to nodes.
pub const CLUSTER_GROUP: &str = "sg-0a1b2c3d4e5f60001";

/// Larger than any request to these two services.
const LARGEST_BODY: usize = 1 << 20;
/// A lab may run for days; only the last requests are kept.
const LOGGED_REQUESTS: usize = 10_000;

pub struct Settings {
    pub authority: Arc<Authority>,
    /// The `moto_server` program.
    pub moto: PathBuf,
    /// The address on which moto listens, in plain HTTP; only the front server connects to it.
    pub moto_address: SocketAddr,
    /// The file for moto's output.
    pub moto_log: PathBuf,
    pub sts: SocketAddr,
    pub ec2: SocketAddr,
    pub eks: SocketAddr,
    pub route53: SocketAddr,
}

/// A request to the front server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub service: Service,
    pub action: String,
}

/// When a fault applies: the first rule that matches a request is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Absent: both services.
    pub service: Option<Service>,
    /// Absent: every action.
    pub action: Option<String>,
    /// How many more requests it applies to; absent: all.
    pub times: Option<u32>,
    #[serde(flatten)]
    pub fault: Fault,
}

/// The caller, as in the response of `GetCallerIdentity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub account: String,
    pub arn: String,
    pub user_id: String,
}

impl Identity {
    /// An engineer's role in `account`.
    pub fn of_account(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/platform-engineer/lab"),
            user_id: "AROAEXAMPLEEXAMPLE123:lab".to_owned(),
        }
    }
}

/// The running front server. moto ends when this value is dropped.
pub struct Aws {
    shared: Arc<Shared>,
}

struct Shared {
    moto: Moto,
    state: Mutex<Front>,
}

#[derive(Default)]
struct Front {
    calls: VecDeque<Call>,
    rules: Vec<Rule>,
    /// Replaces the response.
    identity: Option<Identity>,
    /// Of Route 53.
    zones: Vec<HostedZone>,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, Front> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Aws {
    /// Starts the front server.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let moto = Moto::new(settings.moto, settings.moto_address, settings.moto_log);
        let shared = Arc::new(Shared { moto, state: Mutex::default() });
        let fronts =
            [(Service::Sts, address::STS.0, settings.sts), (Service::Ec2, address::EC2.0, settings.ec2)];
        for (service, name, address) in fronts {
            let handler = async move |State(shared): State<Arc<Shared>>, request: Request| {
                answer(&shared, service, name, request).await
            };
            let router = Router::new().fallback(any(handler)).with_state(shared.clone());
            serve::https(address, settings.authority.server(&[name])?, router).await?;
        }
        let (eks, route53) = (address::EKS.0, address::ROUTE_53.0);
        serve::https(settings.eks, settings.authority.server(&[eks])?, vpc::eks()).await?;
        let zones = vpc::route53(shared.clone());
        serve::https(settings.route53, settings.authority.server(&[route53])?, zones).await?;
        Ok(Self { shared })
    }

    /// `GET|DELETE /requests` ([`Call`]s, oldest first), `GET|PUT /faults` ([`Rule`]s), `PUT|DELETE /identity`
    /// ([`Identity`]), `PUT /zones` ([`HostedZone`]s), `POST /reset` (faults, identity, zones and moto's state).
    pub fn control(&self) -> Router {
        type Handle = State<Arc<Shared>>;
        Router::new()
            .route(
                "/requests",
                get(async |State(shared): Handle| Json(shared.state().calls.clone()))
                    .delete(async |State(shared): Handle| shared.state().calls.clear()),
            )
            .route(
                "/faults",
                get(async |State(shared): Handle| Json(shared.state().rules.clone())).put(
                    async |State(shared): Handle, Json(rules): Json<Vec<Rule>>| shared.state().rules = rules,
                ),
            )
            .route(
                "/identity",
                put(async |State(shared): Handle, Json(identity): Json<Identity>| {
                    shared.state().identity = Some(identity);
                })
                .delete(async |State(shared): Handle| shared.state().identity = None),
            )
            .route(
                "/zones",
                put(async |State(shared): Handle, Json(zones): Json<Vec<HostedZone>>| {
                    shared.state().zones = zones;
                }),
            )
            .route("/reset", post(reset))
            .with_state(self.shared.clone())
    }
}

async fn reset(State(shared): State<Arc<Shared>>) -> Result<(), (StatusCode, String)> {
    {
        let mut state = shared.state();
        state.rules.clear();
        state.identity = None;
        state.zones.clear();
    }
    shared.moto.reset().await.map_err(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")))
}

async fn answer(shared: &Shared, service: Service, name: &'static str, request: Request) -> Response {
    match forward(shared, service, name, request).await {
        Ok(response) => response,
        Err(error) => error::document(service, 500, "InternalFailure", &format!("the lab: {error:#}")),
    }
}

async fn forward(
    shared: &Shared,
    service: Service,
    name: &'static str,
    request: Request,
) -> anyhow::Result<Response> {
    let (mut head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_BODY).await.context("reading the request")?;
    let action = action(head.uri.query(), &body);
    let (fault, identity) = {
        let mut state = shared.state();
        if state.calls.len() == LOGGED_REQUESTS {
            state.calls.pop_front();
        }
        state.calls.push_back(Call { service, action: action.clone() });
        (due(&mut state.rules, service, &action), state.identity.clone())
    };
    let default = || Identity::of_account(address::ACCOUNT);
    if let Some(fault) = fault {
        let identity = identity.unwrap_or_else(default);
        return match error::response(service, &action, &identity.arn, &fault) {
            Some(response) => Ok(response),
            None => std::future::pending().await,
        };
    }
    if service == Service::Sts && action == "GetCallerIdentity" {
        // moto knows only callers to whom it gave credentials.
        if identity.is_some() || !shared.moto.is_started().await {
            return Ok(caller_identity(&identity.unwrap_or_else(default)));
        }
    }
    if action == "DescribeVpcEndpointServices" {
        return Ok(vpc::endpoint_services(&String::from_utf8_lossy(&body)));
    }
    // moto finds the service by the host, which HTTP/2 has in the target; and the length will change.
    let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    head.uri = path.parse()?;
    head.version = http::Version::HTTP_11;
    head.headers.insert(header::HOST, HeaderValue::from_static(name));
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ACCEPT_ENCODING);
    let (mut head, body) = shared.moto.exchange(Request::from_parts(head, body)).await?.into_parts();
    for hop in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        head.headers.remove(hop);
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

/// The `Action` of a query protocol request, in the form or in the query string.
fn action(query: Option<&str>, body: &Bytes) -> String {
    let form = String::from_utf8_lossy(body);
    let mut fields = form.split('&').chain(query.unwrap_or_default().split('&'));
    let action = fields.find_map(|field| field.strip_prefix("Action=")).unwrap_or_default();
    action.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The fault of the first matching rule, which is used up by one.
fn due(rules: &mut [Rule], service: Service, action: &str) -> Option<Fault> {
    let rule = rules.iter_mut().find(|rule| {
        rule.times != Some(0)
            && rule.service.is_none_or(|named| named == service)
            && rule.action.as_deref().is_none_or(|named| named == action)
    })?;
    rule.times = rule.times.map(|times| times - 1);
    Some(rule.fault.clone())
}

fn caller_identity(identity: &Identity) -> Response {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
         <GetCallerIdentityResult>\n    <Arn>{}</Arn>\n    <UserId>{}</UserId>\n    <Account>{}</Account>\n  \
         </GetCallerIdentityResult>\n  <ResponseMetadata>\n    <RequestId>{}</RequestId>\n  \
         </ResponseMetadata>\n</GetCallerIdentityResponse>\n",
        error::escaped(&identity.arn),
        error::escaped(&identity.user_id),
        error::escaped(&identity.account),
        error::request_id(),
    );
    ([(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_is_read_from_form_or_query() {
        let cases = [
            (None, "Action=DescribeVpcs&Version=2016-11-15", "DescribeVpcs"),
            (None, "Version=2016-11-15&Action=DescribeVpcs", "DescribeVpcs"),
            (Some("Action=GetCallerIdentity&Version=2011-06-15"), "", "GetCallerIdentity"),
            (None, "Action=%3Cb%3E", "3Cb3E"),
            (None, "", ""),
        ];
        for (query, body, expected) in cases {
            assert_eq!(action(query, &Bytes::from_static(body.as_bytes())), expected, "{query:?} {body}");
        }
    }

    #[test]
    fn the_first_matching_rule_applies_until_it_is_used_up() {
        let mut rules: Vec<Rule> = serde_json::from_str(
            r#"[{"service": "ec2", "action": "DescribeVpcs", "times": 2, "fault": "throttling"},
                {"service": "ec2", "fault": "server-error", "status": 503}]"#,
        )
        .unwrap();
        let mut next = |service, action| due(&mut rules, service, action);
        assert_eq!(next(Service::Sts, "GetCallerIdentity"), None);
        assert_eq!(next(Service::Ec2, "DescribeVpcs"), Some(Fault::Throttling));
        assert_eq!(next(Service::Ec2, "DescribeSubnets"), Some(Fault::ServerError { status: 503 }));
        assert_eq!(next(Service::Ec2, "DescribeVpcs"), Some(Fault::Throttling));
        assert_eq!(next(Service::Ec2, "DescribeVpcs"), Some(Fault::ServerError { status: 503 }));
    }

    #[tokio::test]
    async fn errors_have_the_codes_of_the_service() {
        let cases = [
            (Service::Sts, Fault::ExpiredToken, 403, "<Code>ExpiredToken</Code>"),
            (Service::Sts, Fault::InvalidClientTokenId, 403, "<Code>InvalidClientTokenId</Code>"),
            (Service::Sts, Fault::AccessDenied, 403, "arn:a&amp;b is not authorized to perform: sts:Act<"),
            (Service::Sts, Fault::Throttling, 400, "<Type>Sender</Type>"),
            (Service::Sts, Fault::ServerError { status: 500 }, 500, "<Type>Receiver</Type>"),
            (Service::Ec2, Fault::ExpiredToken, 400, "<Code>RequestExpired</Code>"),
            (Service::Ec2, Fault::InvalidClientTokenId, 401, "<Code>AuthFailure</Code>"),
            (Service::Ec2, Fault::AccessDenied, 403, "<Code>UnauthorizedOperation</Code>"),
            (
                Service::Ec2,
                Fault::Throttling,
                503,
                "<Response><Errors><Error><Code>RequestLimitExceeded</Code>",
            ),
        ];
        for (service, fault, status, part) in cases {
            let response = error::response(service, "Act", "arn:a&b", &fault).unwrap();
            assert_eq!(response.status(), status, "{service:?} {fault:?}");
            let body = axum::body::to_bytes(response.into_body(), LARGEST_BODY).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains(part), "{service:?} {fault:?}: {body}");
        }
        assert!(error::response(Service::Sts, "Act", "arn", &Fault::Silent).is_none());
    }
}
