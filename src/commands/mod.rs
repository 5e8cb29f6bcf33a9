//! One short file per subcommand: settings, run, render, exit status.

mod aws_login;
pub mod complete;
mod completion;
mod endpoints;
mod exit_status;
#[cfg(test)]
mod flag_tests;
mod images;
mod manual;
mod namespace;
mod options;
pub(crate) mod permissions;
mod preflight;
mod question;
mod rewrite;
mod rollback;
mod selection;
mod status;
mod sync_images;
mod values;
pub(crate) mod version;

use self::exit_status::failed;
pub use self::exit_status::{
    ExitStatus, interrupted, is_removal_pending, not_run, remove_created, stdout_closed, unfinished_removal,
};
use crate::cli::{Arguments, Command};
use crate::error::CommandError;
use crate::{output, transport};

/// Runs the selected command.
pub async fn run(mut arguments: Arguments) -> ExitStatus {
    // As in kubectl, -A overrides -n, which an alias may contain.
    if arguments.connection.all_namespaces {
        arguments.connection.namespace = None;
    }
    if arguments.logging.shows_requests() {
        transport::request_log::start(output::say);
    }
    if arguments.display.no_headers {
        output::table::omit_headers();
    }
    if let Err(error) = namespace::resolve(&mut arguments.connection) {
        return match &arguments.command {
            Command::Preflight(preflight) => preflight::not_started(preflight, &error),
            _ => failed(&error),
        };
    }
    // The largest futures are boxed.
    let exit_status = match &arguments.command {
        Command::Preflight(preflight) => Box::pin(preflight::run(&arguments, preflight)).await,
        Command::Endpoints(endpoints) => Box::pin(endpoints::run(&arguments, endpoints)).await,
        Command::Images(images) => Box::pin(images::run(&arguments, images)).await,
        Command::SyncImages(sync) => Box::pin(sync_images::run(&arguments, sync)).await,
        Command::Rewrite(rewrite) => Box::pin(rewrite::run(&arguments, rewrite)).await,
        Command::Rollback(rollback) => Box::pin(rollback::run(&arguments, rollback)).await,
        Command::Status(status) => Box::pin(status::run(&arguments, status)).await,
        Command::Values(values) => Box::pin(values::run(&arguments, values)).await,
        Command::Permissions(permissions) => permissions::run(&arguments, permissions),
        Command::Completion(completion) => completion::run(completion),
        Command::Options => options::run(),
        Command::Man => manual::run(),
        Command::Version(version) => version::run(version),
    };
    exit_status.unwrap_or_else(|error| failed(&error))
}
