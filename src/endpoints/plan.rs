//! The plan: what exists, what changes and why. `endpoints plan` prints it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::endpoints::settings::{Peer, Provider};
use crate::model::inventory::API_VERSION;

/// The tag that lets Cast AI add nodes to a subnet (Cast AI's guide, step 1).
pub const ROUTABLE: &str = "cast.ai/routable";
/// The tag of everything that this plugin created.
pub const MANAGED_BY: &str = "privatelink.cast.ai/managed-by";
pub const PLUGIN: &str = "kubectl-castai-privatelink";
/// The tag of our security groups, whose value says for which endpoints they are.
pub const GROUP_FOR: &str = "privatelink.cast.ai/security-group-for";
/// The second tag of a subnet that this plugin tagged: only then may it remove the first one.
pub const TAGGED_BY: &str = "privatelink.cast.ai/routable-tagged-by";

/// What to do so that a cluster reaches Cast AI privately.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointPlan {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub vpc: String,
    /// The subnets of nodes and pods, with the reasons why they count.
    pub subnets: Vec<PlannedSubnet>,
    pub endpoints: Vec<PlannedEndpoint>,
    /// In the order in which they are carried out; empty if nothing is to be done.
    pub actions: Vec<Action>,
    /// Names of AWS that resolve differently in the whole VPC afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirection: Option<Redirection>,
    pub cost: Cost,
    /// What the plan cannot do, and what to do about it.
    pub problems: Vec<Problem>,
    /// Remarks, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether something could not be read or has no known name, so that more may be missing; the notes say what.
    pub is_partial: bool,
    /// That it removes what this plugin created.
    #[serde(skip)]
    pub is_removal: bool,
}

impl EndpointPlan {
    pub const fn new(region: String, vpc: String) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "EndpointPlan",
            region,
            account: None,
            cluster: None,
            vpc,
            subnets: Vec::new(),
            endpoints: Vec::new(),
            actions: Vec::new(),
            redirection: None,
            cost: Cost { endpoint_zones: 0, hourly_usd: None },
            problems: Vec::new(),
            notes: Vec::new(),
            is_partial: false,
            is_removal: false,
        }
    }

    /// Whether there is nothing to do and no problem.
    pub const fn is_complete(&self) -> bool {
        self.actions.is_empty() && self.problems.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlannedSubnet {
    pub id: String,
    pub zone: String,
    pub cidrs: Vec<String>,
    /// Why the cluster uses it.
    pub reasons: Vec<String>,
    pub tag: TagState,
}

/// What happens to the tag `cast.ai/routable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum TagState {
    Present,
    /// Will be added.
    Add,
    /// It has another value, which is kept.
    OtherValue,
    /// None is planned: the subnet is for pods, or a flag says so.
    NotPlanned,
    /// Will be removed, because this plugin added it.
    Remove,
}

impl TagState {
    /// Where nothing is planned.
    #[must_use]
    pub const fn without_plan(self) -> Self {
        match self {
            Self::Add | Self::Remove => Self::NotPlanned,
            other => other,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlannedEndpoint {
    /// Short name of the service.
    pub name: String,
    pub service_name: String,
    pub provider: Provider,
    pub change: EndpointChange,
    /// The endpoint that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Names that lead to it with private DNS.
    pub hosts: Vec<String>,
    /// Subnets, or of a gateway, route tables, afterwards.
    pub placement: Vec<String>,
    /// What is changed, or what prevents the change.
    pub reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum EndpointChange {
    Create,
    Modify,
    Delete,
    Unchanged,
    /// The VPC resolves the name in another way, for example through a hub.
    Elsewhere,
    /// A problem prevents the change.
    Blocked,
}

/// One request, or a group of requests, that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Action {
    /// Turn on an attribute of the VPC: `enableDnsSupport` or `enableDnsHostnames`.
    EnableVpcAttribute {
        vpc: String,
        attribute: &'static str,
    },
    CreateSecurityGroup {
        name: String,
        description: String,
        tags: BTreeMap<String, String>,
    },
    /// Admit TCP 443.
    AuthorizeIngress {
        group: GroupRef,
        peers: Vec<Peer>,
    },
    CreateEndpoint {
        service: String,
        service_name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        service_region: Option<String>,
        is_gateway: bool,
        subnets: Vec<String>,
        groups: Vec<GroupRef>,
        route_tables: Vec<String>,
        private_dns: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        ip_type: Option<&'static str>,
        tags: BTreeMap<String, String>,
    },
    ModifyEndpoint {
        service: String,
        id: String,
        add_subnets: Vec<String>,
        add_groups: Vec<GroupRef>,
        add_route_tables: Vec<String>,
        enable_private_dns: bool,
    },
    TagSubnets {
        subnets: Vec<String>,
        tags: BTreeMap<String, String>,
    },
    DeleteEndpoint {
        service: String,
        id: String,
    },
    /// Take a security group of ours away from an endpoint that stays.
    DetachGroup {
        service: String,
        id: String,
        group: String,
    },
    DeleteSecurityGroup {
        id: String,
        name: String,
    },
    /// Remove tags that have these values.
    UntagSubnets {
        subnets: Vec<String>,
        tags: BTreeMap<String, String>,
    },
}

/// A security group that exists, or that an earlier action creates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum GroupRef {
    Id(String),
    Name(String),
}

/// Names that lead to other addresses afterwards, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Redirection {
    pub services: Vec<String>,
    /// Every subnet of the VPC.
    pub subnets: Vec<String>,
}

/// What the endpoints that are added cost, without traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Interface endpoints, counted once per zone, that are added.
    pub endpoint_zones: usize,
    /// Absent where the region's price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly_usd: Option<f64>,
}

/// Why something cannot be done, on which object, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The service or the object.
    pub subject: String,
    pub message: String,
    pub hint: String,
}
