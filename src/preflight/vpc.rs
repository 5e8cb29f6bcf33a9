//! What AWS says of the cluster's VPC, as the checks see it: facts, the plan that would complete its endpoints, and who
//! needs which of them.

pub mod acl;
pub mod policy;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use self::acl::NetworkAcl;
pub use self::service::ServiceView;
use super::api_response::ApiResponse;
use super::subject::{Subject, SubjectKind};
use super::target::{Target, TargetKind};
use crate::aws::error::Error;
use crate::endpoints::decide::decide;
use crate::endpoints::facts::{Subnet, VpcFacts};
use crate::endpoints::plan::{EndpointPlan, PlannedSubnet};
use crate::endpoints::settings::PlanSettings;

/// The caller, and the VPC.
pub struct AwsFacts {
    /// The ARN.
    pub identity: ApiResponse,
    pub vpc: Result<VpcView, VpcUnread>,
}

impl AwsFacts {
    /// Whether AWS has no credentials that it accepts, so that nothing can be read.
    pub const fn are_credentials_wrong(&self) -> bool {
        let ApiResponse::Received { result: Err(error), .. } = &self.identity else { return false };
        matches!(
            error,
            Error::NoCredentials { .. } | Error::Credentials(_) | Error::Expired | Error::NotAccepted { .. }
        )
    }

    /// The VPC, also where it is not known which one it is.
    pub fn vpc_subject(&self) -> Subject {
        self.vpc.as_ref().map_or_else(|_| Subject::new(SubjectKind::Vpc, "VPC"), VpcView::subject)
    }
}

/// Why the VPC was not read, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcUnread {
    pub why: String,
    pub hint: Option<String>,
}

/// A read beside those of the plan, or why it failed.
pub type Read<T> = Result<T, String>;

/// The VPC.
pub struct VpcView {
    pub facts: VpcFacts,
    pub settings: PlanSettings,
    /// Decided from `facts`.
    pub plan: EndpointPlan,
    pub dhcp: Read<DhcpOptions>,
    pub acls: Read<Vec<NetworkAcl>>,
    /// The addresses of the endpoints' network interfaces, by the interface's id.
    pub interfaces: Read<BTreeMap<String, Vec<IpAddr>>>,
    /// Services of AWS, besides those of the plan, that workloads use and that have no endpoint in the VPC.
    pub other_services: Vec<OtherService>,
    usage: BTreeMap<String, Usage>,
}

/// A service of AWS that a workload uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherService {
    pub name: &'static str,
    /// The name of the workload's image.
    pub used_by: &'static str,
}

/// A DHCP option set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhcpOptions {
    pub id: String,
    pub name_servers: Vec<String>,
}

/// What else EC2 says of the VPC.
pub struct MoreFacts {
    pub dhcp: Read<DhcpOptions>,
    pub acls: Read<Vec<NetworkAcl>>,
    pub interfaces: Read<BTreeMap<String, Vec<IpAddr>>>,
}

/// Who needs a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub needed_by: BTreeSet<String>,
    pub usually_needed_by: BTreeSet<String>,
    /// The hosts that components are configured with.
    pub hosts: BTreeSet<String>,
    /// Whether there are components, but none is configured with it.
    pub is_optional: bool,
}

/// Services of AWS that workloads use, by the name of their image (Amazon EKS user guide, "Deploy private clusters with
/// limited internet access").
const OTHER_SERVICES: [(&str, &[&str]); 6] = [
    ("eks-pod-identity-agent", &["eks-auth"]),
    ("aws-load-balancer-controller", &["elasticloadbalancing"]),
    ("cluster-autoscaler", &["autoscaling", "eks"]),
    ("cloudwatch-agent", &["logs", "monitoring"]),
    ("aws-for-fluent-bit", &["logs"]),
    ("secrets-store-csi-driver-provider-aws", &["secretsmanager"]),
];

impl VpcView {
    /// `images` are the names of the images that run in the cluster, without registry and path.
    pub fn new(
        facts: VpcFacts,
        settings: PlanSettings,
        more: MoreFacts,
        targets: &[Target],
        images: &BTreeSet<String>,
    ) -> Self {
        let plan = decide(&facts, &settings);
        let usage =
            settings.services.iter().map(|service| (service.name.clone(), usage(&service.name, targets)));
        let has_endpoint = |name: &str| {
            let suffix = format!(".{name}");
            facts.endpoints.iter().any(|endpoint| endpoint.service_name.ends_with(&suffix))
        };
        let used = OTHER_SERVICES.iter().filter(|(image, _)| images.contains(*image));
        let used = used.flat_map(|(used_by, names)| names.iter().map(|name| OtherService { name, used_by }));
        let other_services = used.filter(|service| !has_endpoint(service.name)).collect();
        let usage = usage.collect();
        let MoreFacts { dhcp, acls, interfaces } = more;
        Self { facts, settings, plan, dhcp, acls, interfaces, other_services, usage }
    }

    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Vpc, &self.facts.vpc.id)
    }

    /// The services, with what exists of each.
    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        self.settings.services.iter().map(|service| ServiceView::new(self, service))
    }

    pub fn usage(&self, service: &str) -> Usage {
        self.usage.get(service).cloned().unwrap_or_default()
    }

    /// The subnets of nodes and pods that EC2 lists.
    pub fn client_subnets(&self) -> impl Iterator<Item = &Subnet> {
        let is_used = |subnet: &&Subnet| self.plan.subnets.iter().any(|used| used.id == subnet.id);
        self.facts.subnets.iter().filter(is_used)
    }

    /// The subnets whose tag lets Cast AI add nodes.
    pub fn node_subnets(&self) -> impl Iterator<Item = &PlannedSubnet> {
        use crate::endpoints::plan::TagState::{Add, OtherValue, Present};
        self.plan.subnets.iter().filter(|subnet| matches!(subnet.tag, Add | OtherValue | Present))
    }

    /// Where each subnet of nodes and pods sends what has no other route, if all of them have such a route.
    pub fn default_routes(&self) -> Option<BTreeSet<&str>> {
        let routes = self.client_subnets().map(|subnet| {
            self.facts.route_table(&subnet.id).and_then(|table| table.default_route.as_deref())
        });
        let routes: Option<BTreeSet<&str>> = routes.collect();
        routes.filter(|routes| !routes.is_empty())
    }
}

/// The service that a target is reached through, by our name.
pub fn service_of(target: &Target) -> Option<&str> {
    match &target.kind {
        TargetKind::CastAi { service, .. } => service.map(|service| service.name),
        TargetKind::Aws { service } => Some(service),
    }
}

/// Who needs a service, according to the targets that it leads to.
fn usage(service: &str, targets: &[Target]) -> Usage {
    let mut usage = Usage::default();
    let mut is_any_configured = false;
    for target in targets.iter().filter(|target| service_of(target) == Some(service)) {
        usage.needed_by.extend(target.needed_by.iter().cloned());
        usage.usually_needed_by.extend(target.usually_needed_by.iter().cloned());
        is_any_configured |= !target.optional;
        usage.hosts.extend(target.is_configured().then(|| target.endpoint.host.clone()));
    }
    usage.is_optional = !is_any_configured;
    usage
}
