//! One short file per subcommand: connect, call the domain, hand the result to output.

pub mod complete;
mod completion;
mod discovery;
mod images;
mod manual;
pub(crate) mod permissions;
mod preflight;
mod question;
mod rewrite;
mod rollback;
mod status;
mod sync_images;
mod values;
pub(crate) mod version;

use std::process::ExitCode;

use crate::cli::{Arguments, Command};
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

/// Runs the command that the command line names.
pub async fn run(mut arguments: Arguments) -> ExitStatus {
    // As in kubectl, where an alias may hold -n.
    if arguments.connection.all_namespaces {
        arguments.connection.namespace = None;
    }
    // The largest futures live on the heap.
    let exit_status = match &arguments.command {
        Command::Preflight(preflight) => preflight::run(&arguments, preflight).await,
        Command::Images(images) => Box::pin(images::run(&arguments, images)).await,
        Command::SyncImages(sync) => Box::pin(sync_images::run(&arguments, sync)).await,
        Command::Rewrite(rewrite) => Box::pin(rewrite::run(&arguments, rewrite)).await,
        Command::Rollback(rollback) => rollback::run(&arguments, rollback).await,
        Command::Status(status) => Box::pin(status::run(&arguments, status)).await,
        Command::Values(values) => Box::pin(values::run(&arguments, values)).await,
        Command::Permissions(permissions) => permissions::run(&arguments, permissions),
        Command::Completion(completion) => completion::run(completion),
        Command::Man => manual::run(),
        Command::Version(version) => version::run(version),
    };
    exit_status.unwrap_or_else(|error| {
        output::error(&error.message, error.hint.as_deref());
        ExitStatus::Failed
    })
}

/// Says that Ctrl-C, or another wish to end, ended the command.
pub fn interrupted() -> ExitStatus {
    if output::is_interactive() {
        // The terminal shows ^C where the cursor was.
        output::say("");
    }
    output::say("interrupted: every change is complete or was not made; run again to continue");
    ExitStatus::Interrupted
}
