//! `status`.

use clap::Args;

use super::{MirrorArguments, OutputFormat, SelectionArguments, SourceArguments};

/// Show drift: images that were reverted, are not rewritten, are missing in the registry, or are behind the public tag
///
/// Read-only. Checks every image that Cast AI needs in this cluster, and lists pods that cannot pull their image. For a
/// reverted image it shows which field manager changed it and when; -o wide also lists the other owners of each image.
/// Exit code 1 means that something needs to be fixed, or that a registry, a public registry (with --upstream) or the
/// pods could not be read: the last line says which.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what needs to be fixed
  kubectl castai-privatelink status

  # Also compare every tag with the public one
  kubectl castai-privatelink status --upstream

  # Use only the cluster, without AWS and registries
  kubectl castai-privatelink status --cluster-only")]
pub struct StatusArguments {
    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub selection: SelectionArguments,

    #[command(flatten)]
    pub source: SourceArguments,

    /// Also compare each image with the public registry, with one request for each image
    #[arg(long)]
    pub upstream: bool,

    /// Check only the cluster and no registry: whether images are mirrored stays unknown, and does not fail the command
    #[arg(long, conflicts_with = "upstream")]
    pub cluster_only: bool,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
