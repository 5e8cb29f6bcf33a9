//! `preflight`: gather facts about cluster and account, run the checks, print the report.

mod cleanup;
mod explain;
mod list;
mod pods;

use super::{CommandError, ExitStatus, aws_login, selection};
use crate::cli::{Arguments, OutputFormat, PreflightArguments, PreflightCommand};
use crate::cluster;
use crate::output::{self, preflight as text};
use crate::preflight::vantage::inputs;
use crate::preflight::{self, Unread};

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

async fn check(arguments: &Arguments, preflight: &PreflightArguments) -> Result<ExitStatus, CommandError> {
    let mut settings = preflight.settings()?;
    let progress = arguments.progress();
    let knowledge = selection::knowledge_file(&preflight.knowledge)?;
    let connection = cluster::connect(&arguments.connection.flags(&knowledge)).await?;
    let wanted = preflight.wanted(arguments.connection.namespace.clone(), knowledge);
    let network = aws_login::network(arguments, Some(&connection), wanted.registry.as_slice());
    let inputs = inputs::read(&connection, &network, wanted).await?;
    pods::confirm(&inputs, &mut settings, &preflight.pods).await?;
    let report = preflight::run(&inputs, &settings, &|event| progress.observe(event)).await;
    progress.clear();
    match preflight.output {
        OutputFormat::Table => output::result(&text::text(&report, false, output::terminal_width()))?,
        OutputFormat::Wide => output::result(&text::text(&report, true, output::terminal_width()))?,
        OutputFormat::Name => output::result(&text::names(&report))?,
        OutputFormat::Json | OutputFormat::Yaml => output::document(&report.document(), preflight.output)?,
    }
    if !matches!(preflight.output, OutputFormat::Table | OutputFormat::Wide) {
        output::say(&text::verdict_alone(&report));
    }
    // Without the cluster the report is incomplete, whatever its checks say.
    for unread in &inputs.unread {
        if let Unread::Failed(message, hint) = unread {
            return Err(CommandError { hint: hint.clone(), ..CommandError::new(message.clone()) });
        }
    }
    Ok(if report.needs_attention() { ExitStatus::Attention } else { ExitStatus::Done })
}
