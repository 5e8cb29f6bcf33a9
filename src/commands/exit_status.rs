//! How a command ended, and the message if it could not run to its end.

use std::process::ExitCode;
use std::time::Duration;

use crate::cluster::pending_removal::{self, Removal};
use crate::error::CommandError;
use crate::output;

/// How a command ended, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done, or nothing to do.
    Done,
    /// Something needs attention: an image, a check, a rollout.
    Attention,
    /// Wrong usage, or the command could not do its work.
    Failed,
    Interrupted,
}

impl ExitStatus {
    /// The documented exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Attention => 1,
            Self::Failed => 2,
            // 128 + SIGINT, as shells report it.
            Self::Interrupted => 130,
        }
    }

    pub fn exit_code(self) -> ExitCode {
        self.code().into()
    }
}

/// Removes what an interrupted command created in the cluster only while it runs; `None` if that is nothing.
pub async fn remove_created(limit: Duration) -> Option<Removal> {
    pending_removal::remove(limit).await
}

/// Whether an interrupted command has something to remove.
pub fn is_removal_pending() -> bool {
    pending_removal::is_pending()
}

/// The result for a command that ends before it has removed everything.
pub fn unfinished_removal() -> Option<Removal> {
    pending_removal::is_pending().then(|| Removal::Failed("interrupted again".to_owned()))
}

/// Reports that Ctrl-C or another signal ended the command, and what became of objects that it had to remove.
pub fn interrupted(may_change: bool, removal: Option<Removal>) -> ExitStatus {
    if output::is_interactive() {
        // The terminal prints ^C at the cursor.
        output::say("");
    }
    match removal {
        Some(Removal::Done) => output::say("Interrupted. The probe pods were removed."),
        Some(Removal::Failed(why)) => output::say(&format!(
            "Interrupted. Probe pods may be left ({why}): run kubectl castai-privatelink preflight cleanup"
        )),
        None => output::say(&output::interruption::interrupted(may_change)),
    }
    ExitStatus::Interrupted
}

/// Reports that standard output is closed. Nothing is done, because the result would be lost.
pub fn stdout_closed() -> ExitStatus {
    output::error(
        "error: standard output is closed, so the result cannot be written",
        Some("redirect it to a file or to /dev/null"),
    );
    ExitStatus::Failed
}

/// Prints help, the version, or what is wrong with the command line.
pub fn not_run(printed: &clap::Error) -> ExitStatus {
    let text = printed.render().ansi().to_string();
    if printed.exit_code() != 0 {
        output::usage_error(&text);
        return ExitStatus::Failed;
    }
    match output::result(&text) {
        Ok(()) => ExitStatus::Done,
        Err(error) => failed(&error.into()),
    }
}

pub(super) fn failed(error: &CommandError) -> ExitStatus {
    output::error(&error.message, error.hint.as_deref());
    error.commands.iter().for_each(|command| output::say(&format!("  {command}")));
    if error.is_not_found { ExitStatus::Attention } else { ExitStatus::Failed }
}
