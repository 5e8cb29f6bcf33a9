//! `preflight`: gather facts about cluster and account, run the checks, print the report.

mod cleanup;
mod explain;
mod list;
mod pods;
mod report_file;

use super::{CommandError, ExitStatus, aws_login, failed, selection};
use crate::cli::{Arguments, PreflightArguments, PreflightCommand};
use crate::cluster;
use crate::event::Event;
use crate::output::preflight as text;
use crate::output::progress::Progress;
use crate::preflight::report::Report;
use crate::preflight::vantage::inputs;
use crate::preflight::{self, waiting};

pub(super) async fn run(
    arguments: &Arguments,
    preflight: &PreflightArguments,
) -> Result<ExitStatus, CommandError> {
    match &preflight.command {
        None => Box::pin(check(arguments, preflight)).await,
        Some(PreflightCommand::List(wanted)) => list::run(wanted),
        Some(PreflightCommand::Explain(wanted)) => explain::run(wanted),
        Some(PreflightCommand::Cleanup(wanted)) => cleanup::run(arguments, wanted).await,
    }
}

/// Prints the document of an error because of which the command does not start.
pub(super) fn not_started(preflight: &PreflightArguments, error: &CommandError) -> ExitStatus {
    if preflight.command.is_none()
        && let Err(unwritten) = text::print(&Report::stopped(error.clone()), preflight.output)
    {
        failed(&unwritten.into());
    }
    failed(error)
}

async fn check(arguments: &Arguments, preflight: &PreflightArguments) -> Result<ExitStatus, CommandError> {
    let progress = arguments.progress();
    let checked = Box::pin(report(arguments, preflight, &progress)).await;
    progress.clear();
    let report = checked.unwrap_or_else(Report::stopped);
    text::print(&report, preflight.output)?;
    let written =
        preflight.report.as_ref().map(|file| report_file::write(file, &report, !preflight.no_redact));
    match report.error {
        Some(error) => Err(error),
        None if let Some(Err(unwritten)) = written => Err(unwritten),
        None if report.needs_attention() => Ok(ExitStatus::Attention),
        None => Ok(ExitStatus::Done),
    }
}

/// The report of the last run: of the only one, unless the user waits.
async fn report(
    arguments: &Arguments,
    preflight: &PreflightArguments,
    progress: &Progress,
) -> Result<Report, CommandError> {
    preflight.report.as_ref().map_or(Ok(()), report_file::check)?;
    let settings = preflight.settings()?;
    let knowledge = selection::knowledge_file(&preflight.knowledge)?;
    let flags = arguments.connection.flags(&knowledge);
    let wanted = preflight.wanted(arguments.connection.namespace.clone(), knowledge);
    let mut connection = None;
    let mut confirmation = None;
    let run = async || {
        let read = async {
            let connection = match &mut connection {
                Some(connected) => connected,
                none => none.insert(cluster::connect(&flags).await?),
            };
            let network = aws_login::network(arguments, Some(connection), wanted.registry.as_slice());
            let mut inputs = inputs::read(connection, &network, wanted.clone()).await?;
            // Asked once, also if the checks are repeated.
            if confirmation.is_none() {
                // A prompt and a progress bar would overwrite each other.
                progress.clear();
                confirmation = Some(pods::confirm(&inputs, &settings, &preflight.pods).await?);
            }
            if let Some(pods) = &mut inputs.pods {
                pods.not_confirmed = confirmation.clone().flatten();
            }
            Ok(inputs)
        };
        Box::pin(preflight::read_and_run(read, &settings, &|event| progress.observe(event))).await
    };
    let missing = |report: &Report| progress.observe(Event::NotReady { missing: text::missing(report) });
    Box::pin(waiting::repeat(run, preflight.wait, &settings.limit, missing)).await
}
