//! What `create` and `delete` share: the question, and each change as it is made.

use std::cell::Cell;

use crate::cli::{ChangeArguments, EndpointsFormat, OutputFormat};
use crate::commands::{CommandError, ExitStatus, question};
use crate::endpoints::apply::Mode;
use crate::endpoints::gather::{self, Clients};
use crate::endpoints::plan::EndpointPlan;
use crate::endpoints::run::{Decide, Progress, run};
use crate::endpoints::settings::PlanSettings;
use crate::output::{self, endpoints as text};

pub(super) async fn change(
    clients: &Clients,
    settings: &PlanSettings,
    decide: Decide,
    arguments: &ChangeArguments,
) -> Result<ExitStatus, CommandError> {
    let is_table = arguments.output == EndpointsFormat::Table;
    let Some(options) = arguments.options() else {
        let plan = decide(&gather::facts(clients, settings).await?, settings);
        if is_table {
            text::plan(&plan)?;
            output::say("dry run: nothing was changed");
        } else {
            output::document(&plan, format(arguments.output))?;
        }
        return Ok(if plan.problems.is_empty() { ExitStatus::Done } else { ExitStatus::Attention });
    };
    let is_noted = Cell::new(false);
    let confirm = async |plan: &EndpointPlan| {
        is_noted.set(true);
        if arguments.yes {
            text::notes(plan);
            return Ok(true);
        }
        question::confirm(text::work(plan), || text::show_planned(plan)).await
    };
    let written = Cell::new(Ok(()));
    let waiting = Cell::new(0);
    let report_progress = |progress: &Progress<'_>| match progress {
        Progress::Step(step) if is_table => {
            if let Err(error) = text::step(step) {
                written.set(Err(error));
            }
        }
        Progress::Applying { .. } | Progress::Step(_) => {}
        Progress::Waiting(endpoints) => {
            if waiting.replace(endpoints.len()) != endpoints.len() && !endpoints.is_empty() {
                let endpoints = output::table::count(endpoints.len(), "endpoint");
                output::say(&format!("waiting for {endpoints}: EC2 takes one to three minutes"));
            }
        }
    };
    let observe = |progress: &Progress<'_>| {
        output::interruption::observe_endpoints(progress);
        report_progress(progress);
    };
    let report = run(clients, settings, decide, &options, confirm, &observe).await?;
    if !is_table {
        output::document(&report, format(arguments.output))?;
    }
    if !is_noted.get() {
        text::notes(&report.plan);
    }
    // Deleting always waits, because security groups are in use until the endpoints are gone.
    let waited = options.mode == Mode::Change && (options.wait || report.plan.is_removal);
    text::conclude(&report, waited);
    written.into_inner()?;
    Ok(if report.needs_attention(waited) { ExitStatus::Attention } else { ExitStatus::Done })
}

const fn format(output: EndpointsFormat) -> OutputFormat {
    match output {
        EndpointsFormat::Yaml => OutputFormat::Yaml,
        EndpointsFormat::Table | EndpointsFormat::Json => OutputFormat::Json,
    }
}
