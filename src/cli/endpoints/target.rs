//! The flags that say which VPC gets which endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::command_line::flag;
use crate::cli::region;
use crate::endpoints::gather::Selection;
use crate::endpoints::settings::{self, NamedService, Peer, PlanSettings};

/// Where which endpoints belong.
#[derive(Clone, Debug, Args)]
pub struct TargetArguments {
    #[command(flatten)]
    pub vpc: VpcArguments,

    #[command(flatten)]
    pub services: ServiceArguments,

    /// Allow turning on enableDnsSupport and enableDnsHostnames of the VPC, which private DNS needs
    #[arg(long)]
    pub enable_vpc_dns: bool,

    /// Leave subnets without the tag cast.ai/routable
    #[arg(long)]
    pub no_subnet_tags: bool,

    /// Tag of what is created; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
}

/// The VPC, its subnets, and who connects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct VpcArguments {
    /// AWS region of the VPC (default: the cluster's)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// VPC of the endpoints (default: the cluster's)
    #[arg(long, value_name = "ID", value_parser = id_of_vpc)]
    pub vpc: Option<String>,

    /// Subnet of nodes; may be repeated (default: found in cluster, EKS and EC2)
    #[arg(long = "subnet", value_name = "ID", value_parser = id_of_subnet)]
    pub subnets: Vec<String>,

    /// Subnet for the endpoints, one per zone; may be repeated (default: chosen among those of nodes)
    #[arg(long = "endpoint-subnet", value_name = "ID", value_parser = id_of_subnet)]
    pub endpoint_subnets: Vec<String>,

    /// Security group or block of addresses that may connect too; may be repeated
    #[arg(long, value_name = "sg-ID|CIDR", value_parser = peer)]
    pub admit: Vec<Peer>,
}

/// Which services get an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ServiceArguments {
    /// Endpoint service that our data does not know, or has another name for; may be repeated
    #[arg(long = "service", value_name = "NAME=SERVICE", value_parser = named_service)]
    pub services: Vec<NamedService>,

    /// File with such services: a map of names to service names in YAML or JSON, or - for standard input; --service wins
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub service_file: Option<PathBuf>,

    /// Region of Cast AI's services, if they allow endpoints from other regions (default: that of the VPC)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub service_region: Option<String>,

    /// Also the endpoints of AWS that isolated nodes need: ecr.api, ecr.dkr, s3, sts and ec2
    #[arg(long)]
    pub with_aws_endpoints: bool,

    /// With --with-aws-endpoints: one more of them, such as eks, eks-auth, ssm or logs; may be repeated
    #[arg(long = "aws-endpoint", value_name = "NAME", value_parser = aws_service, requires = "with_aws_endpoints")]
    pub aws_endpoints: Vec<String>,
}

impl TargetArguments {
    /// The flags that select VPC, subnets, peers and services, as words of a shell.
    pub fn selecting_flags(&self) -> String {
        let VpcArguments { region, vpc, subnets, endpoint_subnets, admit } = &self.vpc;
        let ServiceArguments { services, service_file, service_region, with_aws_endpoints, aws_endpoints } =
            &self.services;
        let mut flags: Vec<String> = Vec::new();
        flags.extend(region.iter().map(|region| flag("--region", region)));
        flags.extend(vpc.iter().map(|vpc| flag("--vpc", vpc)));
        flags.extend(subnets.iter().map(|subnet| flag("--subnet", subnet)));
        flags.extend(endpoint_subnets.iter().map(|subnet| flag("--endpoint-subnet", subnet)));
        flags.extend(admit.iter().map(|peer| flag("--admit", peer)));
        let named = services.iter().map(|named| format!("{}={}", named.name, named.service_name));
        flags.extend(named.map(|service| flag("--service", service)));
        flags.extend(service_file.iter().map(|path| flag("--service-file", path.display())));
        flags.extend(service_region.iter().map(|region| flag("--service-region", region)));
        flags.extend(with_aws_endpoints.then(|| "--with-aws-endpoints".to_owned()));
        flags.extend(aws_endpoints.iter().map(|name| flag("--aws-endpoint", name)));
        flags.iter().fold(String::new(), |all, flag| all + " " + flag)
    }

    /// Where the endpoints belong, as far as the flags say.
    pub fn selection(&self) -> Selection {
        let VpcArguments { region, vpc, subnets, .. } = &self.vpc;
        let (region, vpc, subnets) = (region.clone(), vpc.clone(), subnets.clone());
        Selection { region, vpc, subnets, is_for_removal: false }
    }

    /// The key of two tags.
    pub fn tag_named_twice(&self) -> Option<&str> {
        let mut seen = BTreeSet::new();
        self.tags.iter().map(|(key, _)| key.as_str()).find(|key| !seen.insert(*key))
    }

    /// What is to be in the VPC, which is in `region`. `named` are the services of flags and file.
    pub fn settings(&self, region: &str, named: &[NamedService]) -> PlanSettings {
        let ServiceArguments { service_region, with_aws_endpoints, aws_endpoints, .. } = &self.services;
        let mut services = settings::cast_ai(region, service_region.as_deref(), named);
        let unnamed = settings::unnamed(&services);
        if *with_aws_endpoints {
            services.extend(settings::aws(region, aws_endpoints));
        }
        PlanSettings {
            services,
            unnamed,
            endpoint_subnets: self.vpc.endpoint_subnets.clone(),
            enable_vpc_dns: self.enable_vpc_dns,
            no_subnet_tags: self.no_subnet_tags,
            admit: self.vpc.admit.clone(),
            tags: self.tags.iter().cloned().collect::<BTreeMap<_, _>>(),
        }
    }
}

pub(super) fn id_of_vpc(text: &str) -> Result<String, String> {
    id(text, "vpc-")
}

fn id_of_subnet(text: &str) -> Result<String, String> {
    id(text, "subnet-")
}

fn id(text: &str, prefix: &str) -> Result<String, String> {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    let is_id = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id { Ok(text.to_owned()) } else { Err(format!("expected an id such as {prefix}0123456789abcdef0")) }
}

fn named_service(text: &str) -> Result<NamedService, String> {
    let named =
        text.split_once('=').and_then(|(name, service)| NamedService::new(name, service, "--service"));
    named.ok_or_else(|| {
        "expected NAME=SERVICE, such as rest-api=com.amazonaws.vpce.eu-west-1.vpce-svc-0123".to_owned()
    })
}

fn aws_service(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty()
        && !text.starts_with("com.")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("expected the short name of a service, such as eks-auth".to_owned())
    }
}

fn peer(text: &str) -> Result<Peer, String> {
    if let Ok(group) = id(text, "sg-") {
        return Ok(Peer::Group(group));
    }
    let cidr = text.parse::<ipnet::IpNet>().map(|cidr| Peer::Cidr(cidr.trunc()));
    cidr.map_err(|_| "expected a security group such as sg-0123 or a block such as 10.0.0.0/16".to_owned())
}

/// Tags that begin with `aws:` are AWS' own, and ours say what belongs to us. Lengths: "Tag your Amazon EC2 resources" (EC2
/// user guide).
fn tag(text: &str) -> Result<(String, String), String> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err("expected KEY=VALUE".to_owned());
    };
    if key.starts_with("privatelink.cast.ai/")
        || key.to_ascii_lowercase().starts_with("aws:")
        || key == "Name"
    {
        return Err("the keys `Name`, `aws:…` and `privatelink.cast.ai/…` are not the user's".to_owned());
    }
    if key.chars().count() > 128 || value.chars().count() > 256 {
        return Err("a key has at most 128 characters, and a value 256".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("control characters are not allowed".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_words_that_can_be_pasted() {
        let target = TargetArguments {
            vpc: VpcArguments {
                vpc: Some("vpc-1".to_owned()),
                admit: vec![peer("10.8.0.0/16").unwrap(), peer("sg-1").unwrap()],
                ..VpcArguments::default()
            },
            services: ServiceArguments {
                services: vec![named_service("a=com.x").unwrap()],
                service_file: Some("my file".into()),
                with_aws_endpoints: true,
                ..ServiceArguments::default()
            },
            enable_vpc_dns: false,
            no_subnet_tags: false,
            tags: Vec::new(),
        };
        let expected = " --vpc vpc-1 --admit 10.8.0.0/16 --admit sg-1 --service a=com.x --service-file 'my file' \
                        --with-aws-endpoints";
        assert_eq!(target.selecting_flags(), expected);
    }

    #[test]
    fn values_are_checked() {
        assert!(
            id_of_vpc("vpc-0a1b").is_ok()
                && id_of_vpc("subnet-0a1b").is_err()
                && id_of_vpc("vpc-&x").is_err()
        );
        assert_eq!(named_service("a=com.x.y").unwrap().service_name, "com.x.y");
        for text in ["a", "=com.x", "a=", "a=x", "a=com.x/y"] {
            assert!(named_service(text).is_err(), "{text}");
        }
        assert_eq!(peer("sg-1"), Ok(Peer::Group("sg-1".to_owned())));
        assert_eq!(peer("10.1.2.3/16"), Ok(Peer::Cidr("10.1.0.0/16".parse().unwrap())));
        assert!(peer("10.1.2.3").is_err());
        assert!(tag("team=").is_ok() && tag("url=a=b").is_ok());
        let long = format!("{}=x", "k".repeat(129));
        for text in ["=x", "x", "privatelink.cast.ai/x=y", "aws:x=y", "AWS:x=y", "Name=x", "a=b\n", &long] {
            assert!(tag(text).is_err(), "{text}");
        }
        assert!(aws_service("eks-auth").is_ok() && aws_service("EKS").is_err());
        assert!(aws_service("com.amazonaws.us-east-1.eks").is_err());
    }
}
