//! `values`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::command_line::{flag, naming_flags};
use super::{DryRunArguments, KnowledgeArguments, MirrorArguments, RecursiveArguments};
use crate::persist::engine;
use crate::persist::helm::document::Output;

/// Print configuration that persists the private images through upgrades
///
/// The owner of a workload reverts the images that `sync-images` has rewritten: Helm at its next upgrade, an operator,
/// a GitOps controller. This command prints the private names in the form that each owner reads.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # One values file for each Helm release of Cast AI
  kubectl castai-privatelink values helm --directory values
  helm upgrade castai-agent castai-helm/castai-agent --version 0.161.1 --namespace castai-agent \\
    --reset-then-reuse-values -f values/castai-agent_castai-agent.yaml

  # Before the first installation: values for a chart that is not installed
  # yet, and what to run in which order
  helm template castai-agent castai-helm/castai-agent --namespace castai-agent |
    kubectl castai-privatelink values helm -f -

  # The images of a kustomization
  kubectl castai-privatelink values kustomize >>kustomization.yaml

  # Show the policy that renames images when pods are created
  kubectl castai-privatelink values policy

  # Apply it to the cluster
  kubectl castai-privatelink values policy --apply")]
pub struct ValuesArguments {
    #[command(subcommand)]
    pub kind: ValuesCommand,
}

#[derive(Debug, Subcommand)]
pub enum ValuesCommand {
    /// Print a values file for each Helm release of Cast AI
    ///
    /// With these values, Helm itself sets the private names. They contain repositories and no tags, so that charts still
    /// set their versions. For components of Cast AI's operator, it prints merge patches with the same values.
    Helm(HelmArguments),
    /// Print the images: of a kustomization
    ///
    /// It renames repositories and keeps tags.
    Kustomize(NamingArguments),
    /// Print a patch for each workload, as the patches: of a kustomization
    ///
    /// The patches make the same changes as sync-images, tags included, so they apply to the versions that run now.
    Patches(NamingArguments),
    /// Print a policy that renames Cast AI's images when pods are created
    ///
    /// Prints Kubernetes' mutating admission policy and its binding if the API server supports them, otherwise a policy for
    /// Kyverno. It also renames init containers that webhooks inject. It does not change other pods, and never rejects one.
    Policy(PolicyArguments),
}

/// Which images are named, and where.
#[derive(Debug, Args)]
pub struct NamingArguments {
    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub knowledge: KnowledgeArguments,
}

#[derive(Debug, Args)]
pub struct HelmArguments {
    #[command(flatten)]
    pub naming: NamingArguments,

    /// Rendered charts that are not installed yet, from helm template: a file, a directory, or - for standard input; may
    /// be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE|-|DIR")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub recursive: RecursiveArguments,

    /// Write a file for each release into this directory instead of printing all
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

impl HelmArguments {
    /// Where the documents go.
    pub fn output(&self) -> Output<'_> {
        self.directory.as_deref().map_or(Output::Stdout, Output::Directory)
    }

    /// The command that mirrors the images of the files.
    pub fn mirror_command(&self) -> String {
        let is_piped = self.files.iter().any(|file| file.as_os_str() == "-");
        let pipe = if is_piped { "helm template … | " } else { "" };
        let mut words = vec![format!("{pipe}kubectl castai-privatelink sync-images")];
        words.extend(self.files.iter().map(|file| flag("-f", file.display())));
        words.extend(self.naming.flags());
        // Without it, the cluster is read to find the registry.
        words.extend(self.naming.mirror.registry.iter().map(|_| "--no-discover".to_owned()));
        words.push("--no-rewrite".to_owned());
        words.join(" ")
    }
}

impl NamingArguments {
    /// The flags, for a command that is printed.
    pub fn flags(&self) -> Vec<String> {
        naming_flags(&self.mirror, &self.knowledge)
    }
}

#[derive(Debug, Args)]
#[command(mut_arg("dry_run", |argument| argument.requires("apply")))]
pub struct PolicyArguments {
    #[command(flatten)]
    pub naming: NamingArguments,

    /// What is renamed: the repositories that the registry has, or all with a prefix of Cast AI
    #[arg(long, value_enum, value_name = "EXTENT", default_value_t = Extent::Mirrored)]
    pub extent: Extent,

    /// Engine of the policy (default: the one that the API server supports)
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub engine: Option<Engine>,

    /// Apply the policy instead of printing it; --dry-run and --yes require this flag
    #[arg(long)]
    pub apply: bool,

    #[command(flatten)]
    pub dry_run: DryRunArguments,

    /// Skip the confirmation prompt
    #[arg(long, short, requires = "apply")]
    pub yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Extent {
    Mirrored,
    Prefixes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Kubernetes,
    Kyverno,
}

impl Engine {
    pub const fn setting(self) -> engine::Engine {
        match self {
            Self::Kubernetes => engine::Engine::Kubernetes,
            Self::Kyverno => engine::Engine::Kyverno,
        }
    }
}
