//! `permissions`.

use clap::{Args, Subcommand, ValueEnum};

use super::{KnowledgeFileArguments, region};
use crate::permissions::Purpose;
use crate::permissions::rbac::Subject;

/// Print the permissions that the plugin needs, and what each is for
///
/// Sends no request to the cluster or to AWS.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  # See all of them
  kubectl castai-privatelink permissions

  # Grant the Kubernetes permissions to a group
  kubectl castai-privatelink permissions rbac --subject group:platform |
    kubectl apply -f -

  # The same with the custom resources that a knowledge file adds
  kubectl castai-privatelink permissions rbac --knowledge knowledge.yaml

  # The IAM policy of one account's ECR
  kubectl castai-privatelink permissions iam --account 123456789012 \\
    --region us-east-1 >policy.json

  # The policy of the nodes' role
  kubectl castai-privatelink permissions iam --for nodes"
)]
pub struct PermissionsArguments {
    #[command(subcommand)]
    pub command: Option<PermissionsCommand>,

    #[command(flatten)]
    pub overview: OverviewArguments,
}

#[derive(Debug, Args)]
pub struct OverviewArguments {
    /// Only what `preflight`, `images`, `status`, `values` and runs with `--dry-run=client` need
    #[arg(long)]
    pub read_only: bool,

    #[command(flatten)]
    pub knowledge: KnowledgeFileArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PermissionsFormat::Table)]
    pub output: PermissionsFormat,
}

#[derive(Debug, Subcommand)]
pub enum PermissionsCommand {
    /// Print roles and bindings for `kubectl apply -f -`
    ///
    /// Secrets, config maps and logs are read only in the namespace of Cast AI's components (-n, by default
    /// castai-agent), with a Role; everything else needs a cluster role.
    Rbac(BindingArguments),
    /// Print an IAM policy
    ///
    /// It allows access only to repositories below `castai-privatelink/`, where images are mirrored. If you use another
    /// path with `--registry`, put that path into the policy. Only with `--for endpoints` it has the rights of `endpoints`,
    /// which apply to all VPCs.
    Iam(PolicyArguments),
}

#[derive(Debug, Args)]
pub struct BindingArguments {
    /// Only what `preflight`, `images`, `status`, `values` and runs with `--dry-run=client` need
    #[arg(long)]
    pub read_only: bool,

    /// User, group or service account to grant the permissions to
    #[arg(
        long,
        value_name = "user:NAME|group:NAME|serviceaccount:NAMESPACE:NAME",
        default_value = "group:castai-privatelink"
    )]
    pub subject: Subject,

    #[command(flatten)]
    pub knowledge: KnowledgeFileArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PermissionsFormat::Yaml)]
    pub output: PermissionsFormat,
}

#[derive(Debug, Args)]
pub struct PolicyArguments {
    /// Only the policy of one purpose (default: mirror and preflight)
    #[arg(long = "for", value_enum, value_name = "PURPOSE")]
    pub purpose: Option<PolicyPurpose>,

    /// Only what `preflight`, `status`, `sync-images --dry-run` and `endpoints plan` need
    #[arg(long)]
    pub read_only: bool,

    /// Account of the registry (default: any)
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub account: Option<String>,

    /// AWS region of the registry (default: any)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PermissionsFormat::Json)]
    pub output: PermissionsFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyPurpose {
    /// For mirroring images with `sync-images`, and for `status`
    Mirror,
    /// For the role of the nodes, which pull the mirrored images
    Nodes,
    /// For the checks of `preflight`
    Preflight,
    /// For `endpoints`; with --read-only for `plan` and `list` alone
    Endpoints,
}

impl PolicyPurpose {
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Mirror => Purpose::Mirror,
            Self::Nodes => Purpose::Nodes,
            Self::Preflight => Purpose::Preflight,
            Self::Endpoints => Purpose::Endpoints,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PermissionsFormat {
    Table,
    Json,
    Yaml,
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("expected the 12 digits of an AWS account".to_owned())
    }
}
