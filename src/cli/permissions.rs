//! `permissions`.

use clap::{Args, Subcommand, ValueEnum};

use super::region;
use crate::permissions::rbac::Subject;

/// Print the permissions that the plugin needs, each with what it is for
///
/// Nothing is asked of the cluster or of AWS.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  # See all of them
  kubectl castai-privatelink permissions

  # Give a group the Kubernetes half
  kubectl castai-privatelink permissions rbac --subject group:platform |
    kubectl apply -f -

  # The IAM policy of one account's ECR
  kubectl castai-privatelink permissions iam --account 123456789012 \\
    --region us-east-1 >policy.json"
)]
pub struct PermissionsArguments {
    #[command(subcommand)]
    pub half: Option<PermissionsCommand>,

    #[command(flatten)]
    pub overview: OverviewArguments,
}

#[derive(Debug, Args)]
pub struct OverviewArguments {
    /// Only what `preflight`, `images`, `status`, `values` and runs with `--dry-run=client` need
    #[arg(long)]
    pub read_only: bool,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PermissionsFormat::Table)]
    pub output: PermissionsFormat,
}

#[derive(Debug, Subcommand)]
pub enum PermissionsCommand {
    /// Print roles and bindings that `kubectl apply -f -` takes
    ///
    /// Secrets, config maps and logs are read in the namespace of Cast AI's components alone (-n, castai-agent without
    /// it): that takes a Role, and the rest a cluster role.
    Rbac(BindingArguments),
    /// Print an IAM policy
    ///
    /// It allows nothing on repositories outside of `castai-privatelink/`, below which images are mirrored. With another
    /// `--registry` in ECR, write its path into the policy instead.
    Iam(PolicyArguments),
}

#[derive(Debug, Args)]
pub struct BindingArguments {
    /// Only what `preflight`, `images`, `status`, `values` and runs with `--dry-run=client` need
    #[arg(long)]
    pub read_only: bool,

    /// Who gets the permissions
    #[arg(
        long,
        value_name = "user:NAME|group:NAME|serviceaccount:NAMESPACE:NAME",
        default_value = "group:castai-privatelink"
    )]
    pub subject: Subject,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PermissionsFormat::Yaml)]
    pub output: PermissionsFormat,
}

#[derive(Debug, Args)]
pub struct PolicyArguments {
    /// Only what `preflight`, `status` and `sync-images --dry-run` need
    #[arg(long)]
    pub read_only: bool,

    /// Account of the registry; any without it
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub account: Option<String>,

    /// AWS region of the registry; any without it
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PermissionsFormat::Json)]
    pub output: PermissionsFormat,
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
