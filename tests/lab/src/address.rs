//! Names and addresses of the lab: one account, one region, one VPC, and the internet around it.
//!
//! Every server of the lab listens on its own address with its real host name, so that the product needs no
//! test switch.
//! An address without a listener that is not on the loopback device is silent: packets to it leave through a
//! default route that leads nowhere, as in a private subnet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";
pub const CLUSTER: &str = "demo";
pub const VPC_ID: &str = "vpc-0a1b2c3d4e5f60718";
pub const VPC_CIDR: &str = "10.0.0.0/16";

/// The VPC resolver: AWS puts it at the base of the VPC's network plus two.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The cluster's DNS service, which pods with `dnsPolicy: ClusterFirst` use: the tenth address of EKS' service range.
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(172, 20, 0, 10);
/// Instance metadata, plain HTTP on port 80.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// kube-apiserver, with a host name like that of EKS' private endpoint.
pub const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
pub const API_SERVER_HOST: &str = "0123456789ABCDEF0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com";
/// The API server's front server, which records requests and applies fault rules: `--server=http://` and this address.
pub const API_SERVER_FRONT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);

/// AWS interface endpoints of the VPC: `ecr.api`, `ecr.dkr`, `sts`, `ec2`, `eks`.
pub const ECR_API: (&str, Ipv4Addr) = ("api.ecr.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 200));
pub const ECR: (&str, Ipv4Addr) =
    ("123456789012.dkr.ecr.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 201));
pub const STS: (&str, Ipv4Addr) = ("sts.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 202));
pub const EC2: (&str, Ipv4Addr) = ("ec2.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 203));
pub const EKS: (&str, Ipv4Addr) = ("eks.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 204));
/// Route 53 has no endpoint in the VPC.
pub const ROUTE_53: (&str, Ipv4Addr) = ("route53.amazonaws.com", Ipv4Addr::new(203, 0, 113, 70));
/// ECR's bucket of layers, on a public address of S3. Without a route to S3 it has the other address, which is silent.
pub const S3_LAYERS: (&str, Ipv4Addr) =
    ("prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com", Ipv4Addr::new(52, 216, 0, 10));
pub const S3_SILENT: Ipv4Addr = Ipv4Addr::new(52, 216, 0, 11);
/// An in-house OCI registry that is not ECR, for `--registry`.
pub const OCI_REGISTRY: (&str, Ipv4Addr) = ("registry.corp.example", Ipv4Addr::new(10, 0, 1, 210));

/// A forward proxy, on port 3128.
pub const PROXY: (&str, Ipv4Addr) = ("proxy.corp.example", Ipv4Addr::new(10, 0, 1, 220));

/// A mutating webhook that injects init containers.
pub const INJECTOR: (&str, Ipv4Addr) = ("injector.corp.example", Ipv4Addr::new(10, 0, 1, 230));

/// Servers that respond for any name with an invalid certificate: expired, not valid yet, and signed by an unknown
/// authority.
pub const EXPIRED: Ipv4Addr = Ipv4Addr::new(10, 0, 252, 1);
pub const NOT_YET_VALID: Ipv4Addr = Ipv4Addr::new(10, 0, 252, 2);
pub const UNKNOWN_AUTHORITY: Ipv4Addr = Ipv4Addr::new(10, 0, 252, 3);

/// Source registries, their token services and the hosts to which they redirect blob requests; on public addresses.
pub const GAR: (&str, Ipv4Addr) = ("us-docker.pkg.dev", Ipv4Addr::new(203, 0, 113, 10));
pub const GAR_BLOBS: (&str, Ipv4Addr) = ("storage.googleapis.com", Ipv4Addr::new(203, 0, 113, 11));
pub const GHCR: (&str, Ipv4Addr) = ("ghcr.io", Ipv4Addr::new(203, 0, 113, 20));
pub const GHCR_BLOBS: (&str, Ipv4Addr) =
    ("pkg-containers.githubusercontent.com", Ipv4Addr::new(203, 0, 113, 21));
pub const DOCKER_HUB: (&str, Ipv4Addr) = ("registry-1.docker.io", Ipv4Addr::new(203, 0, 113, 30));
pub const DOCKER_HUB_AUTH: (&str, Ipv4Addr) = ("auth.docker.io", Ipv4Addr::new(203, 0, 113, 31));
pub const DOCKER_HUB_BLOBS: (&str, Ipv4Addr) =
    ("production.cloudfront.docker.com", Ipv4Addr::new(203, 0, 113, 32));
pub const NVCR: (&str, Ipv4Addr) = ("nvcr.io", Ipv4Addr::new(203, 0, 113, 40));
/// NVIDIA's token service for accounts, which issues no anonymous tokens.
pub const NVCR_LOGIN: (&str, Ipv4Addr) = ("authn.nvidia.com", Ipv4Addr::new(203, 0, 113, 41));
pub const NVCR_BLOBS: (&str, Ipv4Addr) = ("layers.nvcr.io", Ipv4Addr::new(203, 0, 113, 42));
pub const KUBERNETES: (&str, Ipv4Addr) = ("registry.k8s.io", Ipv4Addr::new(203, 0, 113, 50));
/// The host to which registry.k8s.io redirects requests for manifests.
pub const KUBERNETES_BACKEND: (&str, Ipv4Addr) = ("us-east1-docker.pkg.dev", Ipv4Addr::new(203, 0, 113, 51));
pub const KUBERNETES_BLOBS: (&str, Ipv4Addr) =
    ("prod-registry-k8s-io-us-east-1.s3.dualstack.us-east-1.amazonaws.com", Ipv4Addr::new(203, 0, 113, 52));

/// All hosts of the sources.
pub const SOURCES: &[(&str, Ipv4Addr)] = &[
    GAR,
    GAR_BLOBS,
    GHCR,
    GHCR_BLOBS,
    DOCKER_HUB,
    DOCKER_HUB_AUTH,
    DOCKER_HUB_BLOBS,
    NVCR,
    NVCR_LOGIN,
    NVCR_BLOBS,
    KUBERNETES,
    KUBERNETES_BACKEND,
    KUBERNETES_BLOBS,
];

/// GitHub, which serves the plugin's releases, and the host to which it redirects downloads.
pub const GITHUB: (&str, Ipv4Addr) = ("github.com", Ipv4Addr::new(203, 0, 113, 60));
pub const GITHUB_ASSETS: (&str, Ipv4Addr) =
    ("release-assets.githubusercontent.com", Ipv4Addr::new(203, 0, 113, 61));

/// Every server with a name except the API server, the sources and Cast AI's endpoints.
pub const SERVERS: &[(&str, Ipv4Addr)] =
    &[ECR_API, ECR, STS, EC2, EKS, S3_LAYERS, ROUTE_53, OCI_REGISTRY, PROXY, GITHUB, GITHUB_ASSETS, INJECTOR];

/// The address in public DNS for every Cast AI name (docs.cast.ai, communication requirements); silent in the lab.
pub const CASTAI_PUBLIC: Ipv4Addr = Ipv4Addr::new(104, 16, 81, 56);

/// Address of the `index`-th Cast AI endpoint, in the order of the endpoint services table: all US hosts, then
/// all EU hosts.
pub const fn castai_endpoint(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, 100 + index)
}

/// Internal address of the `index`-th node (from 0), alternating between zones a and b.
pub const fn node(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1 + index % 2, 10 + index)
}

/// An address inside the VPC without a listener: packets are dropped.
pub const SILENT: Ipv4Addr = Ipv4Addr::new(10, 0, 250, 1);
/// An address inside the VPC that refuses connections: on the loopback device, without a listener.
pub const REFUSING: Ipv4Addr = Ipv4Addr::new(10, 0, 251, 1);
