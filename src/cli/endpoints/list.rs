//! `endpoints list`.

use clap::{Arg, ArgGroup, Args};

use super::EndpointsFormat;
use super::target::{ServiceArguments, TargetArguments, VpcArguments};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("a_vpc").args(["in_vpc", "vpc"]).multiple(true)), mut_args(adapt))]
pub struct ListArguments {
    /// List what exists in the VPC of the cluster
    #[arg(long)]
    pub in_vpc: bool,

    #[command(flatten)]
    pub vpc: VpcArguments,

    #[command(flatten)]
    pub services: ServiceArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

/// What the flags of `plan` mean here: without a VPC, only the region of the services matters.
fn adapt(flag: Arg) -> Arg {
    match flag.get_id().as_str() {
        "in_vpc" | "output" => flag,
        "region" => flag.help(
            "AWS region whose services are listed (default: all regions), or of the VPC (default: the cluster's)",
        ),
        "vpc" => flag.help("List what exists in this VPC"),
        _ => flag.requires("a_vpc"),
    }
}

impl ListArguments {
    /// The VPC to read; `None` if no flag names one.
    pub fn target(&self) -> Option<TargetArguments> {
        (self.in_vpc || self.vpc.vpc.is_some()).then(|| TargetArguments {
            vpc: self.vpc.clone(),
            services: self.services.clone(),
            // An attribute that is off is something that is missing.
            enable_vpc_dns: true,
            no_subnet_tags: false,
            tags: Vec::new(),
        })
    }
}
