//! `status`.

use clap::Args;

use super::{MirrorArguments, OutputFormat, SelectionArguments};

/// Show what has drifted: reverted, not rewritten, missing in the registry, or behind the public tag
///
/// Looks at every image that Cast AI needs in this cluster and at its pods that cannot pull, and changes nothing. Where an
/// image that sync-images set was replaced, it is said by whom and when; -o wide also says who else writes a workload's
/// images. Exit code 1 means that something needs to be done, or that a registry, a public registry (with --upstream)
/// or the pods could not be read: the last line says which.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what has to be done
  kubectl castai-privatelink status

  # Also compare every tag with the public one
  kubectl castai-privatelink status --upstream

  # By the cluster alone, without AWS and registries
  kubectl castai-privatelink status --cluster-only")]
pub struct StatusArguments {
    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Ask the public registries too, once for each image: tells what is behind
    #[arg(long)]
    pub upstream: bool,

    /// Do not look at any registry: what is mirrored is then not known, which is no failure
    #[arg(long, conflicts_with = "upstream")]
    pub cluster_only: bool,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
