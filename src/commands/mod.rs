//! One short file per subcommand: settings, run, render, exit status.

pub mod complete;
mod completion;
mod discovery;
#[cfg(test)]
mod flag_tests;
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

/// Runs the selected command.
pub async fn run(mut arguments: Arguments) -> ExitStatus {
    // As in kubectl, -A overrides -n, which an alias may contain.
    if arguments.connection.all_namespaces {
        arguments.connection.namespace = None;
    }
    // The largest futures are boxed.
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

/// Reports that Ctrl-C or another signal ended the command.
pub fn interrupted() -> ExitStatus {
    if output::is_interactive() {
        // The terminal prints ^C at the cursor.
        output::say("");
    }
    output::say("interrupted: every change is complete or was not made; run again to continue");
    ExitStatus::Interrupted
}
