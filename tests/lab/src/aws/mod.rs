//! STS and EC2: moto behind a front server with the real host names, which adds faults and what moto lacks; and the parts
//! of EKS and Route 53 that describe a VPC.

mod control;
mod crowd;
mod ec2;
mod eks;
mod endpoints;
mod error;
mod form;
mod instances;
mod lists;
mod moto;
mod route53;
mod services;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use self::crowd::Crowd;
use self::ec2::Answer;
use self::endpoints::Endpoints;
pub use self::endpoints::State as EndpointState;
pub use self::error::{Fault, Service};
use self::form::Form;
use self::instances::Instance;
use self::lists::Texts;
use self::moto::Moto;
pub use self::route53::HostedZone;
use self::services::Services;
pub use self::services::{FILES_HOST, cast_ai_services};
use crate::dns::PrivateNames;
use crate::pki::Authority;
use crate::registry::body::broken;
use crate::{address, serve};

/// The VPC's subnets: identifier, availability zone, address block.
pub const SUBNETS: [(&str, &str, &str); 2] = [
    ("subnet-0a1b2c3d4e5f60001", "us-east-1a", "10.0.1.0/24"),
    ("subnet-0a1b2c3d4e5f60002", "us-east-1b", "10.0.2.0/24"),
];

/// The main route table of the VPC.
pub const ROUTE_TABLE: &str = "rtb-0a1b2c3d4e5f60001";

/// The network ACL of the VPC's subnets, which allows everything.
pub const NETWORK_ACL: &str = "acl-0a1b2c3d4e5f60001";

/// The DHCP option set of the VPC, which names Amazon's DNS server.
pub const DHCP_OPTIONS: &str = "dopt-0a1b2c3d4e5f60001";

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
    /// Cast AI's names in the VPC, which may depend on its endpoints.
    pub names: PrivateNames,
}

/// A request to the front server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub service: Service,
    pub action: String,
    /// With `DryRun`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// When a fault applies: the first rule that matches a request is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Absent: both services.
    pub service: Option<Service>,
    /// Absent: every action.
    pub action: Option<String>,
    /// Absent: dry runs and others.
    pub dry_run: Option<bool>,
    /// How many requests pass before it applies.
    #[serde(default)]
    pub after: u32,
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
    names: PrivateNames,
    /// Releases the requests that a rule holds.
    rules_changed: Arc<Notify>,
}

#[derive(Default)]
struct Front {
    calls: VecDeque<Call>,
    rules: Vec<Rule>,
    /// Replaces the response.
    identity: Option<Identity>,
    /// Of Route 53.
    zones: Vec<HostedZone>,
    endpoints: Endpoints,
    cluster: eks::Cluster,
    services: Services,
    /// Those of the nodes, if a test has set them.
    instances: Option<Vec<Instance>>,
    texts: Texts,
    crowd: Crowd,
    /// Whether Cast AI's names are private only while an endpoint has them.
    dns_follows: bool,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, Front> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change after which DNS may give other answers.
    fn change<T>(&self, change: impl FnOnce(&mut Front) -> T) -> T {
        let mut front = self.state();
        let result = change(&mut front);
        self.names.set(front.dns_follows.then(|| front.endpoints.private_names()).as_ref());
        result
    }
}

impl Aws {
    /// Starts the front server.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let moto = Moto::new(settings.moto, settings.moto_address, settings.moto_log);
        let shared = Arc::new(Shared {
            moto,
            state: Mutex::default(),
            names: settings.names,
            rules_changed: Arc::default(),
        });
        let fronts =
            [(Service::Sts, address::STS.0, settings.sts), (Service::Ec2, address::EC2.0, settings.ec2)];
        for (service, name, address) in fronts {
            let handler = async move |State(shared): State<Arc<Shared>>, request: Request| {
                answer(shared, service, name, request).await
            };
            let router = Router::new().fallback(any(handler)).with_state(shared.clone());
            serve::https(address, settings.authority.server(&[name])?, router).await?;
        }
        let (eks, route53) = (address::EKS.0, address::ROUTE_53.0);
        serve::https(settings.eks, settings.authority.server(&[eks])?, eks::router(shared.clone())).await?;
        let zones = route53::router(shared.clone());
        serve::https(settings.route53, settings.authority.server(&[route53])?, zones).await?;
        Ok(Self { shared })
    }
}

async fn answer(shared: Arc<Shared>, service: Service, name: &'static str, request: Request) -> Response {
    match respond(shared, service, name, request).await {
        Ok(response) => response,
        Err(error) => failure(service, &error),
    }
}

/// An error of the lab itself, in the format of the service.
fn failure(service: Service, error: &anyhow::Error) -> Response {
    error::document(service, 500, "InternalFailure", &format!("the lab: {error:#}"))
}

/// Records a request and applies the rules to it.
async fn respond(
    shared: Arc<Shared>,
    service: Service,
    name: &'static str,
    request: Request,
) -> anyhow::Result<Response> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_BODY).await.context("reading the request")?;
    let request = Request::from_parts(head, body);
    let action = action(request.uri().query(), request.body());
    let dry_run = form(&request).flag("DryRun") == Some(true);
    // Before the rules are read, so that their change is noticed.
    let changed = Arc::clone(&shared.rules_changed).notified_owned();
    let (fault, identity) = {
        let mut state = shared.state();
        if state.calls.len() == LOGGED_REQUESTS {
            state.calls.pop_front();
        }
        state.calls.push_back(Call { service, action: action.clone(), dry_run });
        (due(&mut state.rules, service, &action, dry_run), state.identity.clone())
    };
    let arn = identity.unwrap_or_else(default_identity).arn;
    match fault {
        None => carry_out(&shared, service, name, request).await,
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::Held) => {
            // In a task of its own, which goes on if the client does not wait.
            let task = async move {
                changed.await;
                carry_out(&shared, service, name, request).await
            };
            tokio::spawn(task).await?
        }
        Some(fault @ (Fault::ResponseLost | Fault::ResponseFailed { .. })) => {
            carry_out(&shared, service, name, request).await?;
            let lost = || Response::new(broken());
            Ok(error::response(service, &action, &arn, &fault).unwrap_or_else(lost))
        }
        Some(fault) => {
            Ok(error::response(service, &action, &arn, &fault).context("the fault has no response")?)
        }
    }
}

fn default_identity() -> Identity {
    Identity::of_account(address::ACCOUNT)
}

/// The parameters of a request, in the form or in the query string.
fn form(request: &Request<Bytes>) -> Form {
    let body = String::from_utf8_lossy(request.body());
    let query = request.uri().query().unwrap_or_default();
    Form::parse(if body.is_empty() { query } else { &body })
}

/// Carries out a request: here, or in moto.
async fn carry_out(
    shared: &Shared,
    service: Service,
    name: &'static str,
    mut request: Request<Bytes>,
) -> anyhow::Result<Response> {
    let action = action(request.uri().query(), request.body());
    if service == Service::Sts && action == "GetCallerIdentity" {
        // moto knows only callers to whom it gave credentials.
        let identity = shared.state().identity.clone();
        if identity.is_some() || !shared.moto.is_started().await {
            return Ok(caller_identity(&identity.unwrap_or_else(default_identity)));
        }
    }
    let mut tagged = None;
    let form = form(&request);
    if service == Service::Ec2 {
        match ec2::answer(shared, &action, form.clone()).await? {
            Answer::Response(response) => return Ok(response),
            Answer::Moto if lists::is_list(&action) => {
                *request.body_mut() = Bytes::from(form.without_page().encoded());
            }
            Answer::Moto => {}
            Answer::Both(form, ours) => {
                *request.body_mut() = Bytes::from(form.encoded());
                tagged = Some((form, ours));
            }
        }
    }
    let response = in_moto(shared, name, request).await?;
    if !response.status().is_success() {
        return Ok(response.map(Body::from));
    }
    if let Some((form, ours)) = tagged {
        ec2::set_tags(shared, &action, &form, &ours);
    }
    Ok(response.map(|body| match service {
        Service::Ec2 => Body::from(lists::completed(&shared.state(), &form, &String::from_utf8_lossy(&body))),
        Service::Sts => Body::from(body),
    }))
}

async fn in_moto(
    shared: &Shared,
    name: &'static str,
    request: Request<Bytes>,
) -> anyhow::Result<Response<Bytes>> {
    let (mut head, body) = request.into_parts();
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
    Ok(Response::from_parts(head, body))
}

/// The `Action` of a query protocol request, in the form or in the query string.
fn action(query: Option<&str>, body: &Bytes) -> String {
    let form = String::from_utf8_lossy(body);
    let mut fields = form.split('&').chain(query.unwrap_or_default().split('&'));
    let action = fields.find_map(|field| field.strip_prefix("Action=")).unwrap_or_default();
    action.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The fault of the first matching rule, which is used up by one.
fn due(rules: &mut [Rule], service: Service, action: &str, dry_run: bool) -> Option<Fault> {
    let matching = rules.iter_mut().filter(|rule| {
        rule.times != Some(0)
            && rule.service.is_none_or(|named| named == service)
            && rule.action.as_deref().is_none_or(|named| named == action)
            && rule.dry_run.is_none_or(|only| only == dry_run)
    });
    for rule in matching {
        if rule.after == 0 {
            rule.times = rule.times.map(|times| times - 1);
            return Some(rule.fault.clone());
        }
        rule.after -= 1;
    }
    None
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
mod tests;
