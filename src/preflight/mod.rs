//! Preflight: proves that this cluster can reach Cast AI privately.
//!
//! The checks ([`checks`]) are data with pure functions. The graph ([`graph`]) determines which facts they need; a
//! vantage point ([`vantage`]) gathers these; then the graph judges them. Nothing is gathered after the first
//! judgement, so facts may also come from another machine.

pub mod api_response;
pub mod catalogue;
pub mod causes;
pub mod check;
pub mod checks;
pub mod component;
pub mod config_file;
pub mod configured;
mod consequences;
pub mod facts;
pub mod finding;
mod fixes;
pub mod graph;
pub mod ignore;
pub mod judgement;
mod late;
pub mod machine;
mod nodes;
pub mod path;
pub mod pods;
pub mod probe_image;
pub mod redaction;
pub mod references;
pub mod report;
pub mod selection;
mod settings;
pub mod subject;
pub mod target;
pub mod time_limit;
pub mod vantage;
pub mod vpc;
pub mod waiting;

pub use probe::dns::NameServers;
pub use probe::{Endpoint, NotAnEndpoint};

pub use self::facts::Unread;
pub use self::settings::{Inputs, Settings};

use self::checks::CHECKS;
use self::report::Report;
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};

/// Reads cluster and account, and runs the selected checks. What takes longer than the time limit is unknown.
///
/// # Errors
/// `read` failed.
pub async fn read_and_run(
    read: impl Future<Output = Result<Inputs, CommandError>>,
    settings: &Settings,
    observer: Observer<'_>,
) -> Result<Report, CommandError> {
    observer(Event::Stage(Stage::Preflight));
    if let Some(inputs) = settings.limit.within(read).await {
        return Ok(Box::pin(run(&inputs?, settings, observer)).await);
    }
    let needed = graph::needed(CHECKS, &settings.selection);
    let findings = late::nothing(&needed, &settings.ignores, &settings.limit.flag());
    Ok(Report { timed_out: true, ..Report::new(None, None, findings).selected(settings) })
}

/// Runs the selected checks. Failures to gather facts are findings, never errors.
pub async fn run(inputs: &Inputs, settings: &Settings, observer: Observer<'_>) -> Report {
    observer(Event::Stage(Stage::Preflight));
    let needed = graph::needed(CHECKS, &settings.selection);
    let gathered = settings.limit.within(vantage::here::gather(inputs, settings, &needed, observer)).await;
    let timed_out = gathered.is_none();
    let (findings, not_covered) = if let Some(facts) = gathered {
        (graph::judge_ignoring(&needed, &facts, &settings.ignores), facts.not_covered())
    } else {
        // For no checks, nothing is gathered: these are the facts that the inputs contain.
        let facts = vantage::here::gather(inputs, settings, &[], observer).await;
        let findings = graph::judge_ignoring(&needed, &facts, &settings.ignores);
        let findings = late::without_facts(findings, &settings.ignores, &settings.limit.flag());
        (findings, facts.not_covered())
    };
    let (cluster, region) = (inputs.cluster.clone(), inputs.region.clone());
    let report = Report::new(cluster, region, findings).selected(settings);
    Report { not_covered, timed_out, error: inputs.failure(), ..report }
}

#[cfg(test)]
mod http_server;
#[cfg(test)]
mod tests;
