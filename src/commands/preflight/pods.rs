//! The confirmation of pods: on a terminal by a prompt, elsewhere by a flag.

use crate::cli::PodArguments;
use crate::commands::{CommandError, question};
use crate::output::{self, preflight::pods as text};
use crate::preflight::checks::CHECKS;
use crate::preflight::judgement::Fix;
use crate::preflight::pods::InCluster;
use crate::preflight::vantage::pod::plan::plan;
use crate::preflight::{Inputs, Settings, graph};

/// Determines whether pods may be created. If not, the settings say why.
pub(super) async fn confirm(
    inputs: &Inputs,
    settings: &mut Settings,
    arguments: &PodArguments,
) -> Result<(), CommandError> {
    let are_needed = graph::are_pods_needed(&graph::needed(CHECKS, &settings.selection));
    if settings.pods.mode != InCluster::Auto || arguments.yes || !are_needed {
        return Ok(());
    }
    let not_confirmed = |why: String| {
        let command = "kubectl castai-privatelink preflight --yes";
        Some((why, Fix::command("look from pods too", command)))
    };
    if let Some(stream) = output::no_terminal() {
        let why = format!("{stream} is not a terminal: pods need --yes or --in-cluster=only");
        settings.pods.not_confirmed = not_confirmed(why);
        return Ok(());
    }
    let plan = match plan(inputs, &settings.pods) {
        Ok(plan) => plan,
        // With `--yes` this is reported as what it is.
        Err(error) => {
            settings.pods.not_confirmed = not_confirmed(error.why);
            return Ok(());
        }
    };
    if !question::confirm(text::work(&plan), || text::show_planned(&plan)).await? {
        settings.pods.not_confirmed = not_confirmed("declined at the prompt".to_owned());
    }
    Ok(())
}
