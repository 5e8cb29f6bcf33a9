//! What moto lacks of a VPC's surroundings: Cast AI's endpoint services, EKS' description of the cluster, and Route 53's
//! list of private hosted zones.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::endpoints::Endpoints;
use super::error::{Refusal, request_id};
use super::form::Form;
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

/// A service with which the region offers endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// As in the table of endpoint services, or `ecr.api`.
    pub(super) short_name: String,
    pub(super) name: String,
    /// Its private name.
    pub(super) host: String,
    /// Of the routes to it, if it offers gateway endpoints.
    pub(super) prefix_list: Option<&'static str>,
}

impl Offer {
    fn of_cast_ai() -> Vec<Self> {
        let mut lines = ENDPOINT_SERVICES.lines();
        let columns: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| columns.iter().position(|column| *column == name).unwrap_or_default();
        let (host, id) = (column("usual_host_us"), column(address::REGION));
        let rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
        rows.map(|row| Self {
            short_name: row[column("service")].to_owned(),
            name: format!("com.amazonaws.vpce.{}.{}", address::REGION, row[id]),
            host: if row[host].is_empty() { FILES_HOST } else { row[host] }.to_owned(),
            prefix_list: None,
        })
        .collect()
    }

    /// By its name for EC2. Every name below `com.amazonaws.REGION` is a service of AWS.
    pub(super) fn find_by_full_name(name: &str) -> Option<Self> {
        let of_aws = || {
            let short = name.strip_prefix(&format!("com.amazonaws.{}.", address::REGION))?;
            Some(Self {
                short_name: short.to_owned(),
                name: name.to_owned(),
                host: format!("{short}.{}.amazonaws.com", address::REGION),
                prefix_list: match short {
                    "s3" => Some("pl-63a5400a"),
                    "dynamodb" => Some("pl-02cd2c6b"),
                    _ => None,
                },
            })
        };
        Self::of_cast_ai().into_iter().find(|offer| offer.name == name).or_else(of_aws)
    }

    /// By its name for EC2, or for one of Cast AI by its short name.
    pub(super) fn find(name: &str) -> Option<Self> {
        let has_short_name = |offer: &Self| offer.short_name == name;
        Self::of_cast_ai().into_iter().find(has_short_name).or_else(|| Self::find_by_full_name(name))
    }
}

/// Cast AI's services of the region: name and private host.
pub fn cast_ai_services() -> Vec<(String, String)> {
    Offer::of_cast_ai().into_iter().map(|offer| (offer.name, offer.host)).collect()
}

/// `DescribeVpcEndpointServices` with `ServiceName.n`. As in EC2, one unknown name fails the request.
pub(super) fn endpoint_services(form: &Form, endpoints: &Endpoints) -> Result<String, Refusal> {
    let zones =
        SUBNETS.iter().fold(String::new(), |zones, (_, zone, _)| zones + &format!("<item>{zone}</item>"));
    let mut details = String::new();
    for name in form.list("ServiceName") {
        let Some(Offer { name, host, .. }) = Offer::find_by_full_name(&name) else {
            let message = format!("The Vpc Endpoint Service '{name}' does not exist");
            return Err(Refusal::new("InvalidServiceName", message));
        };
        let acceptance = endpoints.requires_acceptance(&name);
        // Writing to a string cannot fail.
        let _ = write!(
            details,
            "<item><serviceName>{name}</serviceName><availabilityZoneSet>{zones}</availabilityZoneSet>\
             <privateDnsName>{host}</privateDnsName><privateDnsNameSet><item><privateDnsName>{host}</privateDnsName>\
             </item></privateDnsNameSet><privateDnsNameVerificationState>verified</privateDnsNameVerificationState>\
             <acceptanceRequired>{acceptance}</acceptanceRequired><supportedIpAddressTypeSet><item>ipv4</item>\
             </supportedIpAddressTypeSet></item>"
        );
    }
    Ok(format!(
        "<DescribeVpcEndpointServicesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{}</requestId>\
         <serviceDetailSet>{details}</serviceDetailSet></DescribeVpcEndpointServicesResponse>",
        request_id()
    ))
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
