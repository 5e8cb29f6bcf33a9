//! The command line: clap types, and their conversion into settings.

mod boolean_flags;
pub mod candidates;
mod command_line;
mod completion;
mod connection;
mod display;
mod endpoints;
mod files;
pub mod help;
mod images;
mod logging;
mod mirror;
mod network;
mod permissions;
mod preflight;
mod rewrite;
mod rollback;
mod rollout;
mod selection;
mod source;
mod status;
mod sync_images;
mod values;
mod version;

use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{FromArgMatches as _, Parser, Subcommand};

use crate::model::aws_partition::is_region;
use crate::output::format::ProgressMode;
pub use crate::output::format::{OutputFormat, PreflightFormat};
use crate::output::progress::Progress;
use crate::printable::without_login;

pub use self::command_line::word;
pub use self::completion::{CompletionArguments, CompletionCommand, LinkArguments};
pub use self::connection::ConnectionArguments;
pub use self::display::DisplayArguments;
pub use self::endpoints::{
    ChangeArguments, CreateArguments as EndpointsCreateArguments,
    DeleteArguments as EndpointsDeleteArguments, EndpointsArguments, EndpointsCommand, EndpointsFormat,
    ListArguments as EndpointsListArguments, PlanArguments as EndpointsPlanArguments, TargetArguments,
    TerraformArguments as EndpointsTerraformArguments,
};
pub use self::files::RecursiveArguments;
pub use self::images::ImagesArguments;
pub use self::logging::LoggingArguments;
pub use self::mirror::MirrorArguments;
pub use self::network::NetworkArguments;
pub use self::permissions::{PermissionsArguments, PermissionsCommand, PermissionsFormat, PolicyPurpose};
pub use self::preflight::{
    Here, PodArguments, PreflightArguments, PreflightCleanupArguments, PreflightCommand,
    PreflightExplainArguments, PreflightListArguments, ReportFile,
};
pub use self::rewrite::RewriteArguments;
pub use self::rollback::RollbackArguments;
pub use self::rollout::{DryRun, DryRunArguments, RolloutArguments};
pub use self::selection::{FilterArguments, KnowledgeArguments, KnowledgeFileArguments, SelectionArguments};
pub use self::status::StatusArguments;
pub use self::sync_images::SyncArguments;
pub use self::values::{
    Engine, Extent, HelmArguments, NamingArguments, PolicyArguments, ValuesArguments, ValuesCommand,
};
pub use self::version::{VersionArguments, VersionFormat};
pub use source::SourceArguments;

/// The version from Cargo.toml, for `--version` and `version`.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Parser)]
#[command(
    name = "kubectl castai-privatelink",
    bin_name = "kubectl castai-privatelink",
    version = VERSION,
    disable_version_flag = true,
    about = "Check and mirror images for Cast AI PrivateLink",
    long_about = "Makes Cast AI work on EKS clusters whose nodes cannot reach the internet: proves that the \
                  cluster reaches Cast AI through AWS PrivateLink, mirrors every image that Cast AI needs to a \
                  private ECR, and rewrites the images in place.\n\n\
                  Exit codes: 0 success or nothing to do; 1 something needs attention; 2 invalid usage or \
                  the command could not start; 130 interrupted.",
    max_term_width = 120
)]
pub struct Arguments {
    /// Print the version
    #[arg(long, action = clap::ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    pub command: Command,

    #[command(flatten)]
    pub connection: ConnectionArguments,

    #[command(flatten)]
    pub network: NetworkArguments,

    #[command(flatten)]
    pub display: DisplayArguments,

    #[command(flatten)]
    pub logging: LoggingArguments,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Preflight(Box<PreflightArguments>),
    Endpoints(EndpointsArguments),
    Images(Box<ImagesArguments>),
    SyncImages(Box<SyncArguments>),
    Rewrite(Box<RewriteArguments>),
    Status(StatusArguments),
    Rollback(RollbackArguments),
    Values(ValuesArguments),
    Permissions(PermissionsArguments),
    Completion(CompletionArguments),
    /// List the flags that can be passed to any command
    Options,
    Version(VersionArguments),
    /// Print the manual page, for `man -l` or a package
    #[command(hide = true)]
    Man,
}

impl Arguments {
    /// The renderer of progress. Requests are lines of their own, which would break bars.
    pub fn progress(&self) -> Progress {
        let plain = self.logging.shows_requests().then_some(ProgressMode::Plain);
        Progress::new(self.display.progress.or(plain), self.logging.verbosity > 0)
    }
}

impl Command {
    /// Whether the command may change the cluster, a registry or AWS.
    pub fn may_change(&self) -> bool {
        match self {
            Self::SyncImages(sync) => sync.dry_run.dry_run == DryRun::None,
            Self::Rollback(rollback) => rollback.dry_run.dry_run == DryRun::None,
            Self::Values(values) => matches!(&values.kind, ValuesCommand::Policy(policy) if policy.apply),
            Self::Endpoints(endpoints) => endpoints.command.may_change(),
            Self::Preflight(preflight) => matches!(
                &preflight.command,
                Some(PreflightCommand::Cleanup(cleanup)) if cleanup.dry_run.dry_run == DryRun::None
            ),
            Self::Images(_)
            | Self::Rewrite(_)
            | Self::Status(_)
            | Self::Permissions(_)
            | Self::Completion(_)
            | Self::Options
            | Self::Version(_)
            | Self::Man => false,
        }
    }
}

/// Parses a command line, which begins with the name of the program.
///
/// # Errors
/// The command line is invalid, or asks for help or the version.
pub fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let command = help::command();
    let words = boolean_flags::without_values(&logging::joined(words), &command);
    let parsed = command.try_get_matches_from(words);
    let parsed = parsed.and_then(|matches| Arguments::from_arg_matches(&matches));
    let mut arguments = parsed.map_err(without_logins)?;
    arguments.connection.drop_empty();
    Ok(arguments)
}

/// A usage error, with credentials such as `user:password@host` removed.
#[must_use]
pub fn without_logins(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(text)) = error.get(kind) {
            let text = without_login(text);
            error.insert(kind, ContextValue::String(text));
        }
    }
    error
}

/// Checks only the syntax, because AWS adds regions; detects typing errors such as `us-east1`.
fn region(text: &str) -> Result<String, String> {
    let region = is_region(text).then(|| text.to_owned());
    region.ok_or_else(|| "expected an AWS region such as us-east-1".to_owned())
}

/// Parses `1s`, `2m`, `500ms`, `1h30m`, or a number of seconds, as kubectl's `--request-timeout` does.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| duration.try_into().ok())
        .ok_or_else(|| "expected a duration such as 30s, 5m or 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_are_parsed_like_kubectl() {
        for (text, milliseconds) in [("30s", 30_000), ("2m", 120_000), ("500ms", 500), ("7", 7_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "x", "-5s", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_shows_no_credentials() {
        for line in [
            "x status --registry=user:s3cret@host.example",
            "x status --registry=https://user:s3cret@host.example/x",
            "x preflight --https=user:s3cret@host.example:port",
            "x status user:s3cret@host.example",
            "x user:s3cret@host.example",
            "x sync-images --map=user:s3cret@host.example/x",
            "x sync-images --map=user:s3cret@host.example/x=y",
        ] {
            let error = without_logins(Arguments::try_parse_from(line.split(' ')).unwrap_err());
            assert!(!error.to_string().contains("s3cret"), "{line}: {error}");
            assert!(error.to_string().contains("host.example"), "{line}: {error}");
        }
    }

    #[test]
    fn global_flags_are_accepted_before_and_after_the_command() {
        for line in ["x --context a sync-images --dry-run", "x sync-images --dry-run --context a"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.connection.context.as_deref(), Some("a"));
            let Command::SyncImages(sync) = arguments.command else { panic!("{line}") };
            assert_eq!(sync.dry_run.dry_run, DryRun::Server);
        }
    }
}
