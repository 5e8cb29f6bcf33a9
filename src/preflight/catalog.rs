//! Every check, in the order in which reports show them.
//!
//! 1xx cluster and place, 2xx the way to Cast AI, 3xx the way to ECR. Within 2xx and 3xx the last two digits say
//! the same: x10 DNS, x20 TCP, x30 TLS, x40 the protocol above it. 4xx is kept for AWS' configuration.

use super::check::{Category, Check, Place, Severity};

/// The check of a code.
///
/// # Panics
/// No check has that code: a mistake of ours, found by every test that runs the check.
pub fn check(code: &str) -> &'static Check {
    CHECKS.iter().find(|check| check.code == code).unwrap_or_else(|| panic!("no check has the code {code}"))
}

/// Where a code stands in the report.
pub fn position(code: &str) -> usize {
    CHECKS.iter().position(|check| check.code == code).unwrap_or(CHECKS.len())
}

pub const CLUSTER_ANSWERS: &str = "CPL101";
pub const COMPONENTS_FOUND: &str = "CPL102";
pub const CONFIGURATION_READ: &str = "CPL103";
pub const REGION_KNOWN: &str = "CPL104";
pub const REGION_OFFERED: &str = "CPL105";
pub const HERE_INSIDE: &str = "CPL110";
pub const HOST_COVERED: &str = "CPL201";
pub const HOST_KNOWN: &str = "CPL202";
pub const ENDPOINT_RESOLVES: &str = "CPL210";
pub const ENDPOINT_PRIVATE: &str = "CPL211";
pub const ENDPOINT_TCP: &str = "CPL220";
pub const ENDPOINT_TLS: &str = "CPL230";
pub const ENDPOINT_CERTIFICATE: &str = "CPL231";
pub const ENDPOINT_HTTPS: &str = "CPL240";
pub const ENDPOINT_GRPC: &str = "CPL241";
pub const ECR_KNOWN: &str = "CPL301";
pub const ECR_TOKEN: &str = "CPL302";
pub const ECR_REPOSITORIES: &str = "CPL303";
pub const ECR_RESOLVES: &str = "CPL310";
pub const ECR_PRIVATE: &str = "CPL311";
pub const ECR_TCP: &str = "CPL320";
pub const ECR_TLS: &str = "CPL330";

pub static CHECKS: &[Check] = &[
    Check {
        code: CLUSTER_ANSWERS,
        title: "the cluster's workloads can be read",
        category: Category::Cluster,
        severity: Severity::Error,
        requires: &[],
        place: Place::KubernetesApi,
        permissions: &["list deployments, daemonsets, statefulsets, cronjobs, jobs, pods"],
        explanation: "The components of Cast AI and the endpoints that they are configured with are read from the cluster.",
        remedy: "check the kubeconfig's context and that this machine reaches the API server",
    },
    Check {
        code: COMPONENTS_FOUND,
        title: "Cast AI components are in the cluster",
        category: Category::Cluster,
        severity: Severity::Warning,
        requires: &[CLUSTER_ANSWERS],
        place: Place::KubernetesApi,
        permissions: &[],
        explanation: "Without components, only the endpoint services of the region are checked, all as if they were needed.",
        remedy: "install Cast AI, or check that this is the right cluster (--context) and that no -n hides it",
    },
    Check {
        code: CONFIGURATION_READ,
        title: "a component's endpoints can be read",
        category: Category::Cluster,
        severity: Severity::Error,
        requires: &[CLUSTER_ANSWERS],
        place: Place::KubernetesApi,
        permissions: &["get configmaps", "get secrets"],
        explanation: "Components carry their endpoints as literal variables or take them from ConfigMaps and Secrets. A value that cannot be read leaves open which host the component calls.",
        remedy: "create the ConfigMap or Secret that the component refers to, or correct the value",
    },
    Check {
        code: REGION_KNOWN,
        title: "the cluster's region is known",
        category: Category::Cluster,
        severity: Severity::Error,
        requires: &[],
        place: Place::KubernetesApi,
        permissions: &["list nodes"],
        explanation: "Endpoint services differ by region.",
        remedy: "give the region with --region",
    },
    Check {
        code: REGION_OFFERED,
        title: "Cast AI offers endpoint services in the region",
        category: Category::Cluster,
        severity: Severity::Error,
        requires: &[REGION_KNOWN],
        place: Place::Here,
        permissions: &[],
        explanation: "Interface endpoints are made for a service of their own region. The built-in table may lag behind Cast AI.",
        remedy: "ask Cast AI for the endpoint services of this region",
    },
    Check {
        code: HERE_INSIDE,
        title: "this machine is inside the cluster's VPC",
        category: Category::Cluster,
        severity: Severity::Warning,
        requires: &[],
        place: Place::Here,
        permissions: &[],
        explanation: "Names resolve to endpoints only inside the VPC. What a machine outside sees says nothing about the cluster, so that there network checks are Unknown.",
        remedy: "run from a machine in the VPC",
    },
    Check {
        code: HOST_COVERED,
        title: "an endpoint service covers the configured host",
        category: Category::Endpoints,
        severity: Severity::Warning,
        requires: &[CONFIGURATION_READ],
        place: Place::KubernetesApi,
        permissions: &[],
        explanation: "A host that none of Cast AI's endpoint services stands for is reached through the internet or not at all.",
        remedy: "configure the component with a host that an endpoint service covers",
    },
    Check {
        code: HOST_KNOWN,
        title: "the host of the endpoint service is known",
        category: Category::Endpoints,
        severity: Severity::Warning,
        requires: &[],
        place: Place::AwsApi,
        permissions: &[],
        explanation: "Cast AI publishes no host name for this service. AWS tells the private DNS name to accounts that may use the service.",
        remedy: "ask EC2 for the service's private DNS name",
    },
    Check {
        code: ENDPOINT_RESOLVES,
        title: "the host resolves",
        category: Category::Endpoints,
        severity: Severity::Error,
        requires: &[],
        place: Place::Here,
        permissions: &[],
        explanation: "Everything begins with the name: A and AAAA are asked for separately, without /etc/hosts, as pods would.",
        remedy: "let this VPC's resolver answer for the host: enable private DNS on the endpoint, and DNS support in the VPC",
    },
    Check {
        code: ENDPOINT_PRIVATE,
        title: "the host resolves to private addresses only",
        category: Category::Endpoints,
        severity: Severity::Error,
        requires: &[ENDPOINT_RESOLVES],
        place: Place::Here,
        permissions: &[],
        explanation: "A public address is the sign that private DNS is off: the component would leave the VPC, which has no way out.",
        remedy: "enable private DNS on the endpoint",
    },
    Check {
        code: ENDPOINT_TCP,
        title: "the endpoint accepts TCP connections",
        category: Category::Endpoints,
        severity: Severity::Error,
        requires: &[ENDPOINT_PRIVATE],
        place: Place::Here,
        permissions: &[],
        explanation: "Each address is an interface of the endpoint in one zone; all of them must answer, because clients take any.",
        remedy: "let port 443 in from the nodes' and pods' security groups on the endpoint's security group",
    },
    Check {
        code: ENDPOINT_TLS,
        title: "the endpoint shows a trusted certificate for its name",
        category: Category::Endpoints,
        severity: Severity::Error,
        requires: &[ENDPOINT_TCP],
        place: Place::Here,
        permissions: &[],
        explanation: "TLS passes through the endpoint to Cast AI. A certificate of another issuer or name means that something else answers.",
        remedy: "exempt the host from TLS inspection, and check that the name belongs to this endpoint",
    },
    Check {
        code: ENDPOINT_CERTIFICATE,
        title: "the certificate is valid for at least two more weeks",
        category: Category::Endpoints,
        severity: Severity::Warning,
        requires: &[ENDPOINT_TLS],
        place: Place::Here,
        permissions: &[],
        explanation: "Certificates are renewed well before they end; one that is about to end points to something in between.",
        remedy: "ask whoever runs the server that shows this certificate to renew it",
    },
    Check {
        code: ENDPOINT_HTTPS,
        title: "the endpoint answers HTTPS requests",
        category: Category::Endpoints,
        severity: Severity::Error,
        requires: &[ENDPOINT_TLS],
        place: Place::Here,
        permissions: &[],
        explanation: "Any status below 500 proves the way: without a key, Cast AI answers 401.",
        remedy: "see whether Cast AI has an incident, and whether a proxy answers in its place",
    },
    Check {
        code: ENDPOINT_GRPC,
        title: "the endpoint answers gRPC calls over HTTP/2",
        category: Category::Endpoints,
        severity: Severity::Error,
        requires: &[ENDPOINT_TLS],
        place: Place::Here,
        permissions: &[],
        explanation: "Any grpc-status proves the way, UNIMPLEMENTED included. A proxy that does not pass HTTP/2 breaks gRPC alone.",
        remedy: "let HTTP/2 through, end to end: exempt the host from proxies and TLS inspection",
    },
    Check {
        code: ECR_KNOWN,
        title: "the cluster's ECR registry is known",
        category: Category::Ecr,
        severity: Severity::Error,
        requires: &[],
        place: Place::KubernetesApi,
        permissions: &[],
        explanation: "Nodes pull Cast AI's images from the account's registry in the cluster's region.",
        remedy: "give the registry with --registry",
    },
    Check {
        code: ECR_TOKEN,
        title: "ECR gives a token to these AWS credentials",
        category: Category::Ecr,
        severity: Severity::Error,
        requires: &[],
        place: Place::AwsApi,
        permissions: &["ecr:GetAuthorizationToken"],
        explanation: "Mirroring signs in to the registry with it.",
        remedy: "renew the AWS credentials",
    },
    Check {
        code: ECR_REPOSITORIES,
        title: "ECR answers for the mirror's repositories",
        category: Category::Ecr,
        severity: Severity::Error,
        requires: &[ECR_KNOWN, ECR_TOKEN],
        place: Place::AwsApi,
        permissions: &["ecr:DescribeRepositories"],
        explanation: "Mirroring reads which images are there already. Repositories that do not exist yet are created then.",
        remedy: "allow ecr:DescribeRepositories to these credentials",
    },
    Check {
        code: ECR_RESOLVES,
        title: "the ECR host resolves",
        category: Category::Ecr,
        severity: Severity::Error,
        requires: &[],
        place: Place::Here,
        permissions: &[],
        explanation: "Nodes pull images by this name.",
        remedy: "let this VPC's resolver answer for the host: create the ECR endpoint with private DNS",
    },
    Check {
        code: ECR_PRIVATE,
        title: "the ECR host resolves to private addresses only",
        category: Category::Ecr,
        severity: Severity::Warning,
        requires: &[ECR_RESOLVES],
        place: Place::Here,
        permissions: &[],
        explanation: "A public address works only where nodes have a way out of the VPC.",
        remedy: "create the ECR endpoint with private DNS",
    },
    Check {
        code: ECR_TCP,
        title: "the ECR host accepts TCP connections",
        category: Category::Ecr,
        severity: Severity::Error,
        requires: &[ECR_RESOLVES],
        place: Place::Here,
        permissions: &[],
        explanation: "Nodes pull images through it.",
        remedy: "let port 443 in from the nodes' security groups on the endpoint's security group",
    },
    Check {
        code: ECR_TLS,
        title: "the ECR host shows a trusted certificate for its name",
        category: Category::Ecr,
        severity: Severity::Error,
        requires: &[ECR_TCP],
        place: Place::Here,
        permissions: &[],
        explanation: "A certificate of another issuer means that something in between reads along; containerd refuses it.",
        remedy: "exempt the host from TLS inspection",
    },
];

#[cfg(test)]
mod tests;
