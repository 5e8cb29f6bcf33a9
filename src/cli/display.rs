//! How results and progress are shown.

use clap::Args;

use crate::output::format::ProgressMode;

/// How results and progress are shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Display options")]
pub struct DisplayArguments {
    /// Print tables without headers
    #[arg(long, global = true, hide_short_help = true)]
    pub no_headers: bool,

    /// Progress on stderr (default: bar on a terminal, else plain)
    #[arg(long, global = true, value_enum, value_name = "MODE", hide_short_help = true)]
    pub progress: Option<ProgressMode>,
}
