//! `endpoints`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{DryRun, duration, region};
use crate::endpoints::apply::Mode;
use crate::endpoints::gather::Selection;
use crate::endpoints::run::Options;
use crate::endpoints::settings::{self, NamedService, Peer, PlanSettings};
use crate::model::image::Mirror;
use crate::model::name_map::NameMap;
use crate::sync::settings::MirrorSettings;

/// The VPC endpoints through which a cluster reaches Cast AI
///
/// An endpoint connects the VPC to one of Cast AI's endpoint services.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # List Cast AI's endpoint services in all regions
  kubectl castai-privatelink endpoints list

  # Those of one region, for a script
  kubectl castai-privatelink endpoints list --region us-east-1 -o json

  # Show what the cluster's VPC lacks
  kubectl castai-privatelink endpoints plan

  # The same with the endpoints of AWS that isolated nodes need
  kubectl castai-privatelink endpoints plan --with-aws-endpoints

  # Create it, after a confirmation prompt
  kubectl castai-privatelink endpoints create --with-aws-endpoints

  # Terraform code for the same, with repositories for the images
  kubectl castai-privatelink images -o json >inventory.json
  kubectl castai-privatelink endpoints terraform --inventory inventory.json --out castai-privatelink

  # Print a script that creates it with the AWS CLI, and run that
  kubectl castai-privatelink endpoints aws-cli >endpoints.sh
  bash endpoints.sh

  # Without access to the cluster, as the owner of a shared VPC
  kubectl castai-privatelink endpoints plan --region us-east-1 --vpc vpc-0123 --subnet subnet-0456 --subnet subnet-0789")]
pub struct EndpointsArguments {
    #[command(subcommand)]
    pub command: EndpointsCommand,
}

#[derive(Debug, Subcommand)]
pub enum EndpointsCommand {
    /// List Cast AI's endpoint services: what each is for, its hosts, who needs it, and its name in each region
    ///
    /// Sends no request. The names that Cast AI's guide uses are next to ours. The exit code is 1 if no service is known in
    /// the region.
    List(ListArguments),
    /// Show which endpoints, rules and tags the VPC of the cluster lacks, and what they cost; changes nothing
    ///
    /// Finds VPC and subnets from the cluster's nodes, node groups and node classes, or from --vpc and --subnet. With these
    /// two and --region, no cluster is needed. Endpoints get one address in each zone that nodes have and the service
    /// supports. Existing endpoints are used, and get what they lack. The exit code is 1 if a problem prevents a part
    /// of the plan.
    Plan(PlanArguments),
    /// Create the endpoints, rules and tags that the VPC of the cluster lacks
    ///
    /// Carries out the plan after a confirmation prompt, and waits until the endpoints are available. Running again is safe:
    /// it continues what was interrupted, fixes what was changed by hand since, and changes nothing else. Nothing is
    /// removed or narrowed. The exit code is 1 if something of the plan could not be done.
    Create(CreateArguments),
    /// Print Terraform code that leads to the same as `create`, or write it into a folder
    ///
    /// A module, and a configuration that calls it for the VPC of the cluster. What `create` made is imported; endpoints of
    /// others stay theirs and get what they lack. Needs Terraform 1.5 or later, or OpenTofu. The exit code is 1 if a
    /// problem prevents a part of the plan.
    Terraform(TerraformArguments),
    /// Print a script of AWS CLI calls that leads to the same state as `create`
    ///
    /// For those who may run AWS commands only themselves, or want to read each one before. The script is for bash. It looks
    /// up what exists and adds what is missing, so that it can be run again, and waits until the endpoints are available.
    /// The exit code is 1 if a problem prevents a part of the plan; the script then has the other parts.
    AwsCli(TargetArguments),
    /// Delete what `create` made: endpoints, security groups and subnet tags that carry this plugin's tag
    ///
    /// Everything else stays, also attributes of the VPC that were turned on. All clusters in the VPC lose their private
    /// way to Cast AI.
    Delete(DeleteArguments),
}

impl EndpointsCommand {
    /// Whether it may change something in AWS.
    pub fn may_change(&self) -> bool {
        match self {
            Self::List(_) | Self::Plan(_) | Self::Terraform(_) | Self::AwsCli(_) => false,
            Self::Create(CreateArguments { change, .. }) | Self::Delete(DeleteArguments { change, .. }) => {
                change.dry_run == DryRun::None
            }
        }
    }
}

#[derive(Debug, Args)]
pub struct ListArguments {
    /// AWS region whose services are listed (default: all regions)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

#[derive(Debug, Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pub target: TargetArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

#[derive(Debug, Args)]
pub struct TerraformArguments {
    #[command(flatten)]
    pub target: TargetArguments,

    /// Folder to write the files into (default: print them)
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,

    /// Replace files that exist and differ
    #[arg(long, requires = "out")]
    pub overwrite: bool,

    /// Inventory of `images -o json`: also generate an ECR repository for each of its images
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,

    /// Registry of the repositories (default: `castai-privatelink` in the ECR of the cluster's account and region)
    #[arg(long, value_name = "HOST[/PATH]", requires = "inventory")]
    pub registry: Option<Mirror>,

    /// Name of a public repository in the mirror; may be repeated
    #[arg(long = "map", value_name = "PRIVATE=PUBLIC", requires = "inventory")]
    pub maps: Vec<NameMap>,
}

impl TerraformArguments {
    /// Where the images are mirrored to.
    pub fn mirror(&self) -> MirrorSettings {
        MirrorSettings {
            registries: self.registry.iter().cloned().collect(),
            region: self.target.region.clone(),
            maps: self.maps.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct CreateArguments {
    #[command(flatten)]
    pub target: TargetArguments,

    #[command(flatten)]
    pub change: ChangeArguments,
}

#[derive(Debug, Args)]
pub struct DeleteArguments {
    /// AWS region of the VPC (default: the cluster's)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// VPC of the endpoints (default: the cluster's)
    #[arg(long, value_name = "ID", value_parser = id_of_vpc)]
    pub vpc: Option<String>,

    #[command(flatten)]
    pub change: ChangeArguments,
}

/// How changes in AWS are made.
#[derive(Debug, Args)]
pub struct ChangeArguments {
    /// Show what would be changed: `client` sends no request that changes something; `server` (the default of the flag
    /// without a value) lets EC2 check the caller's permissions for each request
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = DryRun::None,
        default_missing_value = "server"
    )]
    pub dry_run: DryRun,

    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub yes: bool,

    /// Wait until the endpoints are available (delete always waits, because security groups are in use until then)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub wait: bool,

    /// Timeout of the wait
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub timeout: Duration,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

impl ChangeArguments {
    pub const fn options(&self) -> Options {
        Options {
            mode: match self.dry_run {
                DryRun::None => Mode::Change,
                DryRun::Client | DryRun::Server => Mode::DryRun,
            },
            wait: self.wait,
            timeout: self.timeout,
        }
    }
}

/// Where which endpoints belong.
#[derive(Debug, Args)]
pub struct TargetArguments {
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

    /// Endpoint service that our data does not know, or has another name for; may be repeated
    #[arg(long = "service", value_name = "NAME=SERVICE", value_parser = named_service)]
    pub services: Vec<NamedService>,

    /// Region of Cast AI's services, if they allow endpoints from other regions (default: that of the VPC)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub service_region: Option<String>,

    /// Also the endpoints of AWS that isolated nodes need: ecr.api, ecr.dkr, s3, sts and ec2
    #[arg(long)]
    pub with_aws_endpoints: bool,

    /// With --with-aws-endpoints: one more of them, such as eks, eks-auth, ssm or logs; may be repeated
    #[arg(long = "aws-endpoint", value_name = "NAME", value_parser = aws_service, requires = "with_aws_endpoints")]
    pub aws_endpoints: Vec<String>,

    /// Allow turning on enableDnsSupport and enableDnsHostnames of the VPC, which private DNS needs
    #[arg(long)]
    pub enable_vpc_dns: bool,

    /// Leave subnets without the tag cast.ai/routable
    #[arg(long)]
    pub no_subnet_tags: bool,

    /// Security group or block of addresses that may connect too; may be repeated
    #[arg(long, value_name = "sg-ID|CIDR", value_parser = peer)]
    pub admit: Vec<Peer>,

    /// Tag of what is created; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
}

impl TargetArguments {
    /// Where the endpoints belong, as far as the flags say.
    pub fn selection(&self) -> Selection {
        Selection { region: self.region.clone(), vpc: self.vpc.clone(), subnets: self.subnets.clone() }
    }

    /// A flag that gives one name two values, and that name.
    pub fn named_twice(&self) -> Option<(&'static str, &str)> {
        let services = repeated(self.services.iter().map(|service| service.name.as_str()));
        let tags = repeated(self.tags.iter().map(|(key, _)| key.as_str()));
        services.map(|name| ("--service", name)).or_else(|| tags.map(|key| ("--tag", key)))
    }

    /// What is wanted in `region`.
    pub fn wanted(&self, region: &str) -> PlanSettings {
        let mut services = settings::cast_ai(region, self.service_region.as_deref(), &self.services);
        if self.with_aws_endpoints {
            services.extend(settings::aws(region, &self.aws_endpoints));
        }
        PlanSettings {
            services,
            endpoint_subnets: self.endpoint_subnets.clone(),
            enable_vpc_dns: self.enable_vpc_dns,
            no_subnet_tags: self.no_subnet_tags,
            admit: self.admit.clone(),
            tags: self.tags.iter().cloned().collect::<BTreeMap<_, _>>(),
        }
    }
}

fn repeated<'t>(names: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let mut seen = BTreeSet::new();
    { names }.find(|name| !seen.insert(*name))
}

fn id_of_vpc(text: &str) -> Result<String, String> {
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
    let named = text.split_once('=').filter(|(name, service)| {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        is_word(name) && is_word(service) && service.contains('.')
    });
    let named =
        named.map(|(name, service)| NamedService { name: name.to_owned(), service_name: service.to_owned() });
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndpointsFormat {
    Table,
    Json,
    Yaml,
}

#[cfg(test)]
mod tests {
    use super::*;

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
