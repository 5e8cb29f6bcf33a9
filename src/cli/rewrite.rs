//! `rewrite`.

use std::path::PathBuf;

use clap::Args;

use super::command_line::{flag, naming_flags};
use super::{FilterArguments, MirrorArguments, RecursiveArguments};

/// Print manifests with private images, and every other byte unchanged
///
/// A filter for manifests that are not in the cluster yet, and a post-renderer for Helm. Nothing is printed unless the
/// registry has every image that the output would name. Manifests without images of Cast AI pass unchanged. The
/// cluster is not changed; it is read only where neither --registry nor --lock names the registry.
#[derive(Debug, Args)]
#[command(after_help = concat!("Examples:
  # Install with private images
  kubectl castai-privatelink sync-images -f agent.yaml --no-rewrite
  kubectl castai-privatelink rewrite -f agent.yaml | kubectl apply -f -

  # As a post-renderer of Helm 3
  helm upgrade castai-agent castai-helm/castai-agent --namespace castai-agent \\
    --post-renderer kubectl-castai_privatelink \\
    --post-renderer-args rewrite --post-renderer-args -f --post-renderer-args -

  # As a post-renderer of Helm 4, which must be a plugin of Helm:
  # ", env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/persist.md
  helm upgrade castai-agent castai-helm/castai-agent --namespace castai-agent \\
    --post-renderer castai-privatelink

  # Without registry and cluster, with the images that another machine verified
  kubectl castai-privatelink rewrite -f agent.yaml --lock lock.json"))]
pub struct RewriteArguments {
    /// Manifests: a file, a directory, or - for standard input; may be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE|-|DIR", required = true)]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub recursive: RecursiveArguments,

    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub filter: FilterArguments,

    /// File with the images that another machine verified; the registry is not read
    #[arg(long, value_name = "FILE", conflicts_with = "registry")]
    pub lock: Option<PathBuf>,
}

impl RewriteArguments {
    /// The command that mirrors what is missing.
    pub fn mirror_command(&self) -> String {
        let mut words = vec!["mirror first: kubectl castai-privatelink sync-images".to_owned()];
        words.extend(self.files.iter().map(|file| flag("-f", file.display())));
        words.extend(naming_flags(&self.mirror, &self.filter.knowledge));
        // Without it, the cluster is read to find the registry.
        words.extend(self.mirror.registry.iter().map(|_| "--no-discover".to_owned()));
        words.push("--no-rewrite".to_owned());
        words.extend(self.lock.iter().map(|lock| flag("--lock", lock.display())));
        words.join(" ")
    }
}
