//! Common code of all front servers: every request is recorded, and fault rules are applied to it.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};
use tokio::sync::Notify;

use super::body::{Alterations, broken, watch};
use super::fault::{Action, Armed, Faults, Rule, Side, Subject};
use super::traffic::{Record, Traffic};

/// The traffic and the faults of one registry, over all its hosts.
#[derive(Clone, Debug, Default)]
pub struct Front {
    pub traffic: Traffic,
    pub faults: Faults,
}

#[derive(Clone)]
struct Gate {
    front: Front,
    host: String,
    operation: fn(&Request) -> Option<String>,
}

impl Front {
    /// Adds the front server to the router of `host`. `operation` names the API call of a request, if it is one.
    pub fn guard(&self, host: &str, operation: fn(&Request) -> Option<String>, router: Router) -> Router {
        let gate = Gate { front: self.clone(), host: host.into(), operation };
        router.layer(from_fn_with_state(gate, pass))
    }

    /// `GET|DELETE /traffic` and `GET|POST|DELETE /faults`.
    pub fn control(&self) -> Router {
        Router::new()
            .route("/traffic", get(list_traffic).delete(reset_traffic))
            .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
            .with_state(self.clone())
    }
}

async fn list_traffic(State(front): State<Front>) -> Json<Vec<Record>> {
    Json(front.traffic.records())
}

async fn reset_traffic(State(front): State<Front>) {
    front.traffic.reset();
}

async fn list_faults(State(front): State<Front>) -> Json<Vec<Armed>> {
    Json(front.faults.list())
}

async fn add_fault(State(front): State<Front>, Json(rule): Json<Rule>) {
    front.faults.add(rule);
}

async fn clear_faults(State(front): State<Front>) {
    front.faults.clear();
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let operation = (gate.operation)(&request);
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let method = request.method().as_str().to_owned();
    let subject = Subject { host: &gate.host, method: &method, path: &path, operation: operation.as_deref() };
    // Before the rules are read, so that their removal is noticed.
    let mut cleared = pin!(gate.front.faults.cleared());
    let actions = gate.front.faults.actions(subject);
    let exchange = gate.front.traffic.begin(&gate.host, &method, &path, operation);

    let mut replacement = None;
    for action in &actions {
        match action {
            Action::Delay { milliseconds } => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            Action::Hold => cleared.as_mut().await,
            Action::Silence => pending().await,
            Action::Reset => return Response::new(broken()),
            Action::Status { status, headers, body } => {
                replacement = Some(answer(*status, headers, body));
            }
            Action::Cut { .. } | Action::Corrupt { .. } | Action::Throttle { .. } => {}
        }
    }
    let cut = Arc::new(Notify::new());
    let request = request
        .map(|body| watch(body, Side::Request, &exchange, Alterations::of(&actions, Side::Request), &cut));
    let response = if let Some(response) = replacement {
        response
    } else {
        tokio::select! {
            // A request that a rule truncates gets no response, even if the registry responds to its first bytes.
            biased;
            () = cut.notified() => return Response::new(broken()),
            response = next.run(request) => response,
        }
    };
    exchange.answered(response.status().as_u16());
    finish(response, |body| {
        watch(
            body,
            Side::Response,
            &exchange,
            Alterations::of(&actions, Side::Response),
            &Arc::new(Notify::new()),
        )
    })
}

/// Replaces the body and keeps its known length, so that clients notice a truncation.
fn finish(mut response: Response, replace: impl FnOnce(Body) -> Body) -> Response {
    let length = response.body().size_hint().exact();
    if let Some(length) = length
        && response.status() != StatusCode::NO_CONTENT
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(replace)
}

fn answer(status: u16, headers: &std::collections::BTreeMap<String, String>, body: &str) -> Response {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(body.to_owned())).unwrap_or_else(|error| {
        let mut response = Response::new(Body::from(format!("unusable fault rule: {error}")));
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
        response
    })
}
