//! `completion`.

use clap::{Args, Subcommand};

/// Complete commands, flags and names in the shell
///
/// kubectl completes `kubectl castai-privatelink` by itself once it finds a program called
/// `kubectl_complete-castai_privatelink` on the PATH: `completion install` makes that link. Your shell needs kubectl's
/// own completion (`kubectl completion --help`). The scripts complete the binary's own name,
/// kubectl-castai_privatelink.
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
    /// Make the link by which kubectl completes `kubectl castai-privatelink`
    ///
    /// The link kubectl_complete-castai_privatelink is made in the folder in which kubectl finds the plugin. With krew
    /// that is its folder of links, so that it outlives `kubectl krew upgrade`. Made once, it is enough for all shells
    /// with kubectl's own completion.
    Install(LinkArguments),
    /// Remove the link that `completion install` made
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
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
