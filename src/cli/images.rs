//! `images`.

use std::path::PathBuf;

use clap::Args;

use super::{MirrorArguments, OutputFormat, RecursiveArguments, SelectionArguments};

/// List every image that Cast AI needs, where it is used and why it was found
///
/// Reads workloads, Helm releases and their hooks, Cast AI's custom resources, and pods that cannot pull an image; with
/// -f, only the given manifests and no cluster. Sends no request to AWS or to a registry. Private names are shown as
/// the public images that they were mirrored from, if --map, the record of sync-images or the naming rule says which.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Every image, where it is used and why it was found
  kubectl castai-privatelink images

  # Also what was searched and excluded, and why
  kubectl castai-privatelink images --explain

  # Before the first install, without a cluster
  helm template castai-agent castai-helm/castai-agent |
    kubectl castai-privatelink images -f -

  # Also with names of your own in a registry of your own
  kubectl castai-privatelink images --registry registry.example/castai \\
    --map registry.example/castai/probe=ghcr.io/acme/probe

  # Only the names, for another tool
  kubectl castai-privatelink images -o name

  # For a machine that reaches the registries but not the cluster
  kubectl castai-privatelink images -o json >inventory.json
  kubectl castai-privatelink sync-images --no-discover --no-rewrite \\
    --inventory inventory.json

  # Cast AI images that this version does not know yet
  kubectl castai-privatelink images --image-prefix quay.io/castai \\
    --include-image ghcr.io/acme/probe:v1")]
pub struct ImagesArguments {
    /// Read these manifests instead of the cluster: a file, a directory, or - for standard input; may be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE|-|DIR")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub recursive: RecursiveArguments,

    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Also show what was searched and excluded, and why
    #[arg(long)]
    pub explain: bool,

    /// Output format; `name` prints the public names alone
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
