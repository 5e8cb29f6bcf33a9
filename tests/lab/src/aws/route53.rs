//! Route 53's list of the private hosted zones that the VPC resolves with.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::Shared;

/// A private hosted zone that the VPC resolves with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedZone {
    pub id: String,
    pub name: String,
    pub owner: String,
}

/// The zones that a test has set.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let answer = async |State(shared): State<Arc<Shared>>| {
        let zones = shared.state().zones.clone();
        let zones = zones.iter().fold(String::new(), |text, HostedZone { id, name, owner }| {
            text + &format!(
                "<HostedZoneSummary><HostedZoneId>{id}</HostedZoneId><Name>{name}.</Name><Owner><OwningAccount>{owner}\
                 </OwningAccount></Owner></HostedZoneSummary>"
            )
        });
        let body = format!(
            "<ListHostedZonesByVPCResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><HostedZoneSummaries>\
             {zones}</HostedZoneSummaries><MaxItems>100</MaxItems></ListHostedZonesByVPCResponse>"
        );
        ([(header::CONTENT_TYPE, "text/xml")], body)
    };
    Router::new().route("/2013-04-01/hostedzonesbyvpc", get(answer)).with_state(shared)
}
