//! `completion`.

use clap::{Args, Subcommand};

/// Complete commands, flags and names in the shell
///
/// kubectl completes `kubectl castai-privatelink` if a program called `kubectl_complete-castai_privatelink` is on the
/// PATH: `completion install` creates that link. kubectl's own completion must be loaded in your shell (`kubectl
/// completion --help`). The scripts complete the name of the binary, kubectl-castai_privatelink.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Let kubectl complete `kubectl castai-privatelink`
  kubectl castai-privatelink completion install

  # Complete `kubectl-castai_privatelink` in this bash
  source <(kubectl castai-privatelink completion bash)")]
pub struct CompletionArguments {
    #[command(subcommand)]
    pub command: CompletionCommand,
}

#[derive(Debug, Subcommand)]
pub enum CompletionCommand {
    /// Create the link that lets kubectl complete `kubectl castai-privatelink`
    ///
    /// The link kubectl_complete-castai_privatelink is created in the directory that holds the plugin. With krew that
    /// is krew's bin directory, so that the link survives `kubectl krew upgrade`. One link serves all shells that have
    /// kubectl's completion.
    Install(LinkArguments),
    /// Remove the link that `completion install` created
    Uninstall(LinkArguments),
    /// Print the script for bash
    ///
    /// To load it in every new shell:
    ///
    /// echo 'source <(kubectl castai-privatelink completion bash)' >>~/.bashrc
    Bash,
    /// Print the script for zsh
    ///
    /// To load it in every new shell, after compinit:
    ///
    /// echo 'source <(kubectl castai-privatelink completion zsh)' >>~/.zshrc
    Zsh,
    /// Print the script for fish
    ///
    /// To load it in every new shell:
    ///
    /// kubectl castai-privatelink completion fish >~/.config/fish/completions/kubectl-castai_privatelink.fish
    Fish,
    /// Print the script for PowerShell
    ///
    /// To load it in every new shell:
    ///
    /// 'kubectl castai-privatelink completion powershell | Out-String | Invoke-Expression' >> $PROFILE
    Powershell,
}

#[derive(Debug, Args)]
pub struct LinkArguments {
    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,
}
