//! Preflight: proves that this cluster can reach Cast AI privately.
//!
//! The checks ([`checks`]) are data with pure functions. The graph ([`graph`]) determines which facts they need; a
//! vantage point ([`vantage`]) gathers these; then the graph judges them. Nothing is gathered after the first
//! judgement, so facts may also come from another machine.

pub mod catalogue;
pub mod causes;
pub mod check;
pub mod checks;
pub mod component;
pub mod config_file;
pub mod configured;
pub mod facts;
pub mod finding;
mod fixes;
pub mod graph;
pub mod judgement;
pub mod machine;
mod nodes;
pub mod pods;
pub mod probe_image;
pub mod references;
pub mod report;
pub mod selection;
mod settings;
pub mod subject;
pub mod target;
pub mod vantage;

pub use probe::dns::NameServers;
pub use probe::{Endpoint, NotAnEndpoint};

pub use self::facts::Unread;
pub use self::settings::{Inputs, Settings};

use self::checks::CHECKS;
use self::report::Report;
use crate::event::{Event, Observer, Stage};

/// Runs the selected checks. Failures to gather facts are findings, never errors.
pub async fn run(inputs: &Inputs, settings: &Settings, observer: Observer<'_>) -> Report {
    observer(Event::Stage(Stage::Preflight));
    let needed = graph::needed(CHECKS, &settings.selection);
    let facts = vantage::here::gather(inputs, settings, &needed, observer).await;
    let findings = graph::judge(&needed, &facts);
    Report::new(inputs.cluster.clone(), inputs.region.clone(), findings).narrowed(&settings.selection)
}

#[cfg(test)]
mod http_server;
#[cfg(test)]
mod tests;
