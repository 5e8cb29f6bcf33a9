//! Names and addresses of the lab's world: one account, one region, one VPC, and the internet around it.
//!
//! Every server of the lab listens on an address of its own under its real name, so that the product needs no
//! test switch.
//! An address that nobody listens on and that is not on the loopback device is silent: packets to it leave by a
//! default route into nowhere, as from a private subnet.

use std::net::Ipv4Addr;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";
pub const CLUSTER: &str = "demo";
pub const VPC_ID: &str = "vpc-0a1b2c3d4e5f60718";
pub const VPC_CIDR: &str = "10.0.0.0/16";

/// The VPC resolver: AWS puts it at the base of the VPC's network plus two.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Instance metadata, plain HTTP on port 80.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// kube-apiserver, under the name that EKS would give its private endpoint.
pub const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
pub const API_SERVER_HOST: &str = "0123456789ABCDEF0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com";

/// AWS interface endpoints of the VPC: `ecr.api`, `ecr.dkr`, `sts`, `ec2`.
pub const ECR_API: (&str, Ipv4Addr) = ("api.ecr.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 200));
pub const ECR: (&str, Ipv4Addr) =
    ("123456789012.dkr.ecr.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 201));
pub const STS: (&str, Ipv4Addr) = ("sts.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 202));
pub const EC2: (&str, Ipv4Addr) = ("ec2.us-east-1.amazonaws.com", Ipv4Addr::new(10, 0, 1, 203));
/// An in-house OCI registry that is not ECR, for `--registry`.
pub const OCI_REGISTRY: (&str, Ipv4Addr) = ("registry.corp.example", Ipv4Addr::new(10, 0, 1, 210));

/// Source registries, their token services and the hosts that they redirect blobs to; on public addresses.
pub const GAR: (&str, Ipv4Addr) = ("us-docker.pkg.dev", Ipv4Addr::new(203, 0, 113, 10));
pub const GAR_BLOBS: (&str, Ipv4Addr) = ("storage.googleapis.com", Ipv4Addr::new(203, 0, 113, 11));
pub const GHCR: (&str, Ipv4Addr) = ("ghcr.io", Ipv4Addr::new(203, 0, 113, 20));
pub const GHCR_BLOBS: (&str, Ipv4Addr) =
    ("pkg-containers.githubusercontent.com", Ipv4Addr::new(203, 0, 113, 21));
pub const DOCKER_HUB: (&str, Ipv4Addr) = ("registry-1.docker.io", Ipv4Addr::new(203, 0, 113, 30));
pub const DOCKER_HUB_AUTH: (&str, Ipv4Addr) = ("auth.docker.io", Ipv4Addr::new(203, 0, 113, 31));
pub const DOCKER_HUB_BLOBS: (&str, Ipv4Addr) =
    ("production.cloudfront.docker.com", Ipv4Addr::new(203, 0, 113, 32));

/// GitHub, which serves the plugin's releases, and the host that it redirects downloads to.
pub const GITHUB: (&str, Ipv4Addr) = ("github.com", Ipv4Addr::new(203, 0, 113, 40));
pub const GITHUB_ASSETS: (&str, Ipv4Addr) =
    ("release-assets.githubusercontent.com", Ipv4Addr::new(203, 0, 113, 41));

/// What public DNS answers for every Cast AI name (docs.cast.ai, communication requirements); silent in the lab.
pub const CASTAI_PUBLIC: Ipv4Addr = Ipv4Addr::new(104, 16, 81, 56);

/// Address of the `index`-th Cast AI endpoint, in the order of the endpoint services table: all US hosts, then
/// all EU hosts.
pub const fn castai_endpoint(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, 100 + index)
}

/// Internal address of the `index`-th node (from 0): zones a and b in turn.
pub const fn node(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1 + index % 2, 10 + index)
}

/// An address inside the VPC where nobody answers: packets vanish.
pub const SILENT: Ipv4Addr = Ipv4Addr::new(10, 0, 250, 1);
/// An address inside the VPC that refuses connections: on the loopback device, without a listener.
pub const REFUSING: Ipv4Addr = Ipv4Addr::new(10, 0, 251, 1);
