//! `images`.

use std::path::PathBuf;

use clap::Args;

use super::{OutputFormat, SelectionArguments};

/// List every image that Cast AI needs, who uses it and why it was found
///
/// Looks at workloads, Helm releases and their hooks, Cast AI's custom resources, and pods that wait for an image; or at
/// the manifests of -f alone, without a cluster. Neither AWS nor a registry is asked. Private names are shown as the public
/// images that they stand for, as far as what sync-images recorded or the naming rules tell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Every image, who uses it and why it was found
  kubectl castai-privatelink images

  # Also what was looked at and left out, and why
  kubectl castai-privatelink images --explain

  # Before the first install, without a cluster
  helm template castai-agent castai-helm/castai-agent |
    kubectl castai-privatelink images -f -

  # Names alone, for another tool
  kubectl castai-privatelink images -o name

  # For a machine that reaches the registries and not the cluster
  kubectl castai-privatelink images -o json >inventory.json
  kubectl castai-privatelink sync-images --no-discover --no-rewrite \\
    --inventory inventory.json

  # Images of Cast AI's that a later version of this plugin may know
  kubectl castai-privatelink images --image-prefix quay.io/castai \\
    --include-image ghcr.io/acme/probe:v1")]
pub struct ImagesArguments {
    /// Look at these manifests and at no cluster: a file, a directory, or - for standard input; may be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE|-|DIR")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Show what was looked at and left out too, and why
    #[arg(long)]
    pub explain: bool,

    /// Output format; `name` prints the public names alone
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
