//! The confirmation of pods: on a terminal by a prompt, elsewhere by a flag.

use crate::cli::PodArguments;
use crate::commands::{CommandError, question};
use crate::output::{self, preflight::pods as text};
use crate::preflight::checks::CHECKS;
use crate::preflight::judgement::Fix;
use crate::preflight::pods::InCluster;
use crate::preflight::vantage::pod::plan::plan;
use crate::preflight::{Inputs, Settings, graph};

/// Why pods may not be created, with the command that confirms it; `None` if they may.
pub(super) async fn confirm(
    inputs: &Inputs,
    settings: &Settings,
    arguments: &PodArguments,
) -> Result<Option<(String, Fix)>, CommandError> {
    let are_needed = graph::are_pods_needed(&graph::needed(CHECKS, &settings.selection));
    if settings.pods.mode != InCluster::Auto || arguments.yes || !are_needed {
        return Ok(None);
    }
    let not_confirmed = |why: String| {
        let command = "kubectl castai-privatelink preflight --yes";
        Some((why, Fix::command("look from pods too", command)))
    };
    if let Some(stream) = output::no_terminal() {
        let why = format!("{stream} is not a terminal: pods need --yes or --in-cluster=only");
        return Ok(not_confirmed(why));
    }
    let plan = match plan(inputs, &settings.pods) {
        Ok(plan) => plan,
        // With `--yes` this is reported as what it is.
        Err(error) => return Ok(not_confirmed(error.why)),
    };
    if !question::confirm(text::work(&plan), || text::show_planned(&plan)).await? {
        return Ok(not_confirmed("declined at the prompt".to_owned()));
    }
    Ok(None)
}
