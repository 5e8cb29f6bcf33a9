//! The control API of STS and EC2.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};

use super::crowd::{Crowd, Size};
use super::endpoints::Change;
use super::form::Form;
use super::instances::Instance;
use super::lists::Texts;
use super::services::{Offer, Services};
use super::{
    Aws, EndpointState, Front, HostedZone, Identity, Rule, Service, Shared, carry_out, eks, failure, moto,
};
use crate::address;

type Handle = State<Arc<Shared>>;
type Failure = (StatusCode, String);

impl Aws {
    /// `GET|DELETE /requests` ([`super::Call`]s, oldest first), `GET|PUT /faults` ([`Rule`]s), `PUT|DELETE /identity`
    /// ([`Identity`]), `PUT /zones` ([`HostedZone`]s), `GET /endpoints`, `PUT /endpoints/{id}` ([`Change`]),
    /// `PUT /endpoint-states` (names of services to [`EndpointState`]s), `PUT /dns-follows` (a Boolean), `PUT /eks`
    /// ([`eks::Cluster`]), `PUT /services` ([`Services`]), `PUT /instances` ([`Instance`]s), `PUT /texts` ([`Texts`]),
    /// `PUT /crowd` ([`Size`]), `POST /ec2` (a request to EC2 as a map of its parameters), `POST /reset` (everything
    /// except the requests).
    pub fn control(&self) -> Router {
        Router::new()
            .route(
                "/requests",
                get(async |State(shared): Handle| Json(shared.state().calls.clone()))
                    .delete(async |State(shared): Handle| shared.state().calls.clear()),
            )
            .route(
                "/faults",
                get(async |State(shared): Handle| Json(shared.state().rules.clone())).put(set_rules),
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
            .route(
                "/endpoints",
                get(async |State(shared): Handle| Json(shared.state().endpoints.list().to_vec())),
            )
            .route("/endpoints/{id}", put(set_endpoint))
            .route("/endpoint-states", put(set_courses))
            .route(
                "/dns-follows",
                put(async |State(shared): Handle, Json(follows): Json<bool>| {
                    shared.change(|front| front.dns_follows = follows);
                }),
            )
            .route(
                "/eks",
                put(async |State(shared): Handle, Json(cluster): Json<eks::Cluster>| {
                    shared.state().cluster = cluster;
                }),
            )
            .route("/services", put(set_services))
            .route(
                "/instances",
                put(async |State(shared): Handle, Json(instances): Json<Option<Vec<Instance>>>| {
                    shared.state().instances = instances;
                }),
            )
            .route(
                "/texts",
                put(async |State(shared): Handle, Json(texts): Json<Texts>| {
                    shared.state().texts = texts;
                }),
            )
            .route("/crowd", put(set_crowd))
            .route("/ec2", post(ec2))
            .route("/reset", post(reset))
            .with_state(self.shared.clone())
    }
}

async fn set_rules(State(shared): Handle, Json(rules): Json<Vec<Rule>>) {
    shared.state().rules = rules;
    shared.rules_changed.notify_waiters();
}

async fn set_endpoint(
    State(shared): Handle,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<(), Failure> {
    let exists = shared.change(|front| front.endpoints.set(&id, change));
    exists.then_some(()).ok_or_else(|| (StatusCode::NOT_FOUND, format!("no VPC endpoint is called {id}")))
}

async fn set_courses(
    State(shared): Handle,
    Json(states): Json<BTreeMap<String, EndpointState>>,
) -> Result<(), Failure> {
    let mut courses = BTreeMap::new();
    for (service, state) in states {
        let offer = Offer::find(&service)
            .ok_or_else(|| (StatusCode::BAD_REQUEST, format!("no service is called {service}")))?;
        courses.insert(offer.name, state);
    }
    shared.change(|front| front.endpoints.set_courses(courses));
    Ok(())
}

async fn set_services(State(shared): Handle, Json(services): Json<Services>) -> Result<(), Failure> {
    if let Some(name) = services.unknown() {
        return Err((StatusCode::BAD_REQUEST, format!("no service is called {name}")));
    }
    shared.change(|front| {
        front.endpoints.set_hosts(|service| services.host_of(service));
        front.services = services;
    });
    Ok(())
}

async fn set_crowd(State(shared): Handle, Json(size): Json<Size>) {
    shared.change(|front| {
        front.crowd = Crowd::new(size);
        front.endpoints.set_crowd(size.endpoints);
    });
}

/// Not recorded, and without faults.
async fn ec2(State(shared): Handle, Json(fields): Json<BTreeMap<String, String>>) -> Response {
    let form: Form = fields.into_iter().collect();
    let response = match moto::ec2_request(&form.encoded()) {
        Ok(request) => carry_out(&shared, Service::Ec2, address::EC2.0, request.map(Bytes::from)).await,
        Err(error) => Err(error),
    };
    response.unwrap_or_else(|error| failure(Service::Ec2, &error))
}

async fn reset(State(shared): Handle) -> Result<(), Failure> {
    shared.change(|front| {
        let calls = std::mem::take(&mut front.calls);
        *front = Front { calls, ..Front::default() };
    });
    shared.rules_changed.notify_waiters();
    shared.moto.reset().await.map_err(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")))
}
