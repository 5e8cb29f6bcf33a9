//! `version`.

use clap::{Args, ValueEnum};

/// Print the version
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # For a bug report
  kubectl castai-privatelink version

  # For a script
  kubectl castai-privatelink version -o json")]
pub struct VersionArguments {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub output: Option<VersionFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VersionFormat {
    Json,
    Yaml,
}
