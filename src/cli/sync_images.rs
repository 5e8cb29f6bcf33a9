//! `sync-images`.

mod conversion;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    DryRunArguments, MirrorArguments, OutputFormat, RecursiveArguments, RolloutArguments, SelectionArguments,
    SourceArguments,
};
use crate::model::image::Image;
use crate::store::limits::JOBS;

/// Mirror every image that Cast AI needs, and rewrite the workloads to use them
///
/// Discovers Cast AI's workloads, copies their images byte for byte to a private registry (ECR by default), verifies
/// them there, and only then rewrites the images in place, waiting for each rollout. Running again is always safe.
///
/// Several machines can share the work: a step that runs writes its file (--inventory, --plan, --lock), and the next
/// machine skips that step and reads the file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what would be copied and rewritten
  kubectl castai-privatelink sync-images --dry-run

  # Copy the images and rewrite the workloads
  kubectl castai-privatelink sync-images

  # Mirror the images of manifests that are not in the cluster yet
  helm template castai-agent castai-helm/castai-agent |
    kubectl castai-privatelink sync-images -f - --no-rewrite

  # Install with private images: mirror the images of the manifests, then
  # apply the manifests with private names
  kubectl castai-privatelink sync-images -f agent.yaml --no-rewrite
  kubectl castai-privatelink rewrite -f agent.yaml | kubectl apply -f -

  # If no machine reaches everything: on one that reaches the cluster, on one
  # that reaches the registries, and on the first again
  kubectl castai-privatelink sync-images --no-mirror --no-rewrite \\
    --inventory inventory.json
  kubectl castai-privatelink sync-images --no-discover --no-rewrite \\
    --inventory inventory.json --lock lock.json
  kubectl castai-privatelink sync-images --no-mirror --lock lock.json")]
#[expect(clippy::struct_excessive_bools, reason = "pass each one with its own flag")]
pub struct SyncArguments {
    #[command(flatten)]
    pub mirror: MirrorArguments,

    /// Repository of --registry whose tags may be moved if their content differs from the source; may be repeated
    #[arg(long, value_name = "REPOSITORY", value_parser = repository)]
    pub replace: Vec<String>,

    /// Manifests whose images are mirrored too: a file, a directory, or - for standard input; may be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE|-|DIR")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub recursive: RecursiveArguments,

    #[command(flatten)]
    pub selection: SelectionArguments,

    #[command(flatten)]
    pub dry_run: DryRunArguments,

    /// Do not discover images in the cluster; read them from --inventory or --plan
    #[arg(long)]
    pub no_discover: bool,

    /// Do not copy; rewrite only images that are in --lock or verified in the registry
    #[arg(long)]
    pub no_mirror: bool,

    /// Do not change the cluster
    #[arg(long)]
    pub no_rewrite: bool,

    /// Write the discovered images to this file; with --no-discover, read this file instead
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// Write the plan to this file; with --no-discover, carry out the plan in this file
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,

    /// Write the verified images to this file; with --no-mirror, read this file instead
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Also rewrite workloads whose owner (Argo CD or Flux) reverts the image within minutes
    #[arg(long)]
    pub force: bool,

    /// Also rewrite aws-node (the VPC CNI) if Cast AI has patched it; it is rolled out last
    #[arg(long)]
    pub include_cni: bool,

    #[command(flatten)]
    pub source: SourceArguments,

    /// File with the settings of ECR repositories that are created: tags, KMS key, immutability, scanning, policy
    #[arg(long, value_name = "FILE", conflicts_with = "no_mirror")]
    pub repository_settings: Option<PathBuf>,

    /// What to do with attestations (provenance, SBOM), which some registries refuse: keep copies them or fails,
    /// drop-refused copies those that the registry accepts, drop copies none. Images that are named by digest keep theirs
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub attestations: AttestationMode,

    /// Number of blobs that are copied concurrently
    #[arg(long, short, value_name = "COUNT", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,

    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub yes: bool,

    #[command(flatten)]
    pub rollout: RolloutArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// What to do with attestations.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum AttestationMode {
    Keep,
    #[default]
    DropRefused,
    Drop,
}

/// A repository without tag and digest.
fn repository(text: &str) -> Result<String, String> {
    match text.parse::<Image>() {
        Ok(image) if image.repository() == text => Ok(text.to_owned()),
        Ok(_) => Err("remove the tag and the digest".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
