//! What moto lacks of a VPC's surroundings: Cast AI's endpoint services, EKS' description of the cluster, and Route 53's
//! list of private hosted zones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{self, Service};
use super::{CLUSTER_GROUP, SUBNETS, Shared};
use crate::address;

const ENDPOINT_SERVICES: &str = include_str!("../../../../src/castai/endpoint-services.csv");

/// The host that EC2 knows for Cast AI's files, which is published nowhere.
pub const FILES_HOST: &str = "files.castai.example";

/// A private hosted zone that the VPC resolves with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedZone {
    pub id: String,
    pub name: String,
    pub owner: String,
}

/// Cast AI's services of the region: name and private host.
pub fn cast_ai_services() -> Vec<(String, String)> {
    let mut lines = ENDPOINT_SERVICES.lines();
    let columns: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap_or_default();
    let (host, id) = (column("usual_host_us"), column(address::REGION));
    let rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| {
        let name = format!("com.amazonaws.vpce.{}.{}", address::REGION, row[id]);
        let host = if row[host].is_empty() { FILES_HOST } else { row[host] };
        (name, host.to_owned())
    })
    .collect()
}

/// `DescribeVpcEndpointServices` with `ServiceName.n`. As in EC2, one unknown name fails the request.
pub(super) fn endpoint_services(form: &str) -> Response {
    let fields = form.split('&').filter_map(|field| field.split_once('='));
    let names: Vec<_> =
        fields.filter(|(name, _)| name.starts_with("ServiceName.")).map(|(_, value)| value).collect();
    let known: BTreeMap<_, _> = cast_ai_services().into_iter().collect();
    let aws = format!("com.amazonaws.{}.", address::REGION);
    let zones =
        SUBNETS.iter().fold(String::new(), |zones, (_, zone, _)| zones + &format!("<item>{zone}</item>"));
    let mut details = String::new();
    for name in names {
        let of_aws =
            name.strip_prefix(&aws).map(|short| format!("{short}.{}.amazonaws.com", address::REGION));
        let Some(host) = known.get(name).cloned().or(of_aws) else {
            let message = format!("The Vpc Endpoint Service '{name}' does not exist");
            return error::document(Service::Ec2, 400, "InvalidServiceName", &message);
        };
        // Writing to a string cannot fail.
        let _ = write!(
            details,
            "<item><serviceName>{name}</serviceName><availabilityZoneSet>{zones}</availabilityZoneSet>\
             <privateDnsName>{host}</privateDnsName><privateDnsNameSet><item><privateDnsName>{host}</privateDnsName>\
             </item></privateDnsNameSet><privateDnsNameVerificationState>verified</privateDnsNameVerificationState>\
             <acceptanceRequired>false</acceptanceRequired><supportedIpAddressTypeSet><item>ipv4</item>\
             </supportedIpAddressTypeSet></item>"
        );
    }
    let body = format!(
        "<DescribeVpcEndpointServicesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{}</requestId>\
         <serviceDetailSet>{details}</serviceDetailSet></DescribeVpcEndpointServicesResponse>",
        error::request_id()
    );
    ([(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], body).into_response()
}

/// EKS: the lab's cluster without node groups and Fargate profiles.
pub(super) fn eks() -> Router {
    Router::new()
        .route("/clusters/{name}", get(async |Path(name): Path<String>| Json(cluster(&name))))
        .route("/clusters/{name}/node-groups", get(async || Json(json!({"nodegroups": []}))))
        .route("/clusters/{name}/fargate-profiles", get(async || Json(json!({"fargateProfileNames": []}))))
}

fn cluster(name: &str) -> Value {
    let subnets: Vec<_> = SUBNETS.iter().map(|(id, ..)| *id).collect();
    json!({"cluster": {
        "name": name,
        "resourcesVpcConfig": {
            "vpcId": address::VPC_ID,
            "subnetIds": subnets,
            "clusterSecurityGroupId": CLUSTER_GROUP,
        },
        "kubernetesNetworkConfig": {"ipFamily": "ipv4"},
    }})
}

/// Route 53: the zones that a test has set.
pub(super) fn route53(shared: Arc<Shared>) -> Router {
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
