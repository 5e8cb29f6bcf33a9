//! The flag that belongs to `-f` in kubectl.

use clap::Args;

#[derive(Debug, Args)]
pub struct RecursiveArguments {
    /// Accepted as in kubectl; a directory of -f is always read with those below it
    #[arg(long, short = 'R', requires = "files")]
    pub recursive: bool,
}
