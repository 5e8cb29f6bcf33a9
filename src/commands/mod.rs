//! One short file per subcommand: connect, call the domain, hand the result to output.

pub mod complete;
mod completion;
mod discovery;
mod handed_over;
mod images;
mod manual;
mod permissions;
mod preflight;
mod question;
mod registry;
mod rollback;
mod scene;
mod status;
mod survey;
mod sync_images;
mod values;
mod version;

use std::io;
use std::process::ExitCode;

use crate::cli::{Arguments, Command};
use crate::output;
use crate::{cluster, transport};

/// How a command ended, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done, or nothing to do.
    Done,
    /// Something needs attention: an image, a check, a rollout.
    Attention,
    /// Wrong usage, or the command could not do its work.
    CouldNotRun,
    Interrupted,
}

impl Ending {
    /// The documented exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Attention => 1,
            Self::CouldNotRun => 2,
            // 128 + SIGINT, as shells report it.
            Self::Interrupted => 130,
        }
    }

    pub fn exit_code(self) -> ExitCode {
        self.code().into()
    }
}

/// Why a command could not do its work, in one line, and what to do next.
#[derive(Debug)]
struct CommandError {
    message: String,
    hint: Option<String>,
}

impl CommandError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

impl From<io::Error> for CommandError {
    /// Only our own output is written without a path of its own.
    fn from(error: io::Error) -> Self {
        Self::new(format!("error: writing the result: {error}"))
    }
}

impl From<cluster::Error> for CommandError {
    fn from(error: cluster::Error) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl From<transport::Error> for CommandError {
    fn from(error: transport::Error) -> Self {
        Self::new(format!("error: {error}"))
    }
}

/// Runs the command that the command line names.
pub async fn run(mut arguments: Arguments) -> Ending {
    // As in kubectl, where an alias may hold -n.
    if arguments.connection.all_namespaces {
        arguments.connection.namespace = None;
    }
    // The largest futures live on the heap.
    let ending = match &arguments.command {
        Command::Preflight(preflight) => preflight::run(&arguments, preflight).await,
        Command::Images(images) => Box::pin(images::run(&arguments, images)).await,
        Command::SyncImages(sync) => Box::pin(sync_images::run(&arguments, sync)).await,
        Command::Rollback(rollback) => rollback::run(&arguments, rollback).await,
        Command::Status(status) => Box::pin(status::run(&arguments, status)).await,
        Command::Values(values) => Box::pin(values::run(&arguments, values)).await,
        Command::Permissions(permissions) => permissions::run(&arguments, permissions),
        Command::Completion(completion) => completion::run(completion),
        Command::Man => manual::run(),
        Command::Version(version) => version::run(version),
    };
    ending.unwrap_or_else(|error| {
        output::error(&error.message, error.hint.as_deref());
        Ending::CouldNotRun
    })
}

/// Says that Ctrl-C, or another wish to end, ended the command.
pub fn interrupted() -> Ending {
    if output::is_interactive() {
        // The terminal shows ^C where the cursor was.
        output::say("");
    }
    output::say("interrupted: whatever was begun is whole or not done at all; run again to continue");
    Ending::Interrupted
}
