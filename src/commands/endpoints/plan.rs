//! `endpoints plan`: gather facts about cluster and VPC, decide, print the plan.

use super::aws_login;
use crate::castai::built_in;
use crate::cli::{Arguments, EndpointsFormat, EndpointsPlanArguments, OutputFormat, TargetArguments};
use crate::cluster;
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;
use crate::endpoints::gather::{self, Ports};
use crate::endpoints::offer::not_offered;
use crate::endpoints::plan::EndpointPlan;
use crate::endpoints::settings::{PlanSettings, same_service};
use crate::output::{self, endpoints as text};

pub(super) async fn run(
    arguments: &Arguments,
    wanted: &EndpointsPlanArguments,
) -> Result<ExitStatus, CommandError> {
    let plan = Box::pin(planned(arguments, &wanted.target)).await?;
    match wanted.output {
        EndpointsFormat::Table => text::plan(&plan)?,
        EndpointsFormat::Json => output::document(&plan, OutputFormat::Json)?,
        EndpointsFormat::Yaml => output::document(&plan, OutputFormat::Yaml)?,
    }
    Ok(if plan.problems.is_empty() { ExitStatus::Done } else { ExitStatus::Attention })
}

/// The plan for the VPC as it is now.
pub(super) async fn planned(
    arguments: &Arguments,
    target: &TargetArguments,
) -> Result<EndpointPlan, CommandError> {
    let (ports, wanted) = connected(arguments, target).await?;
    Ok(decide(&gather::facts(&ports, &wanted).await?, &wanted))
}

/// Connects to the cluster, unless the flags say all that it could, and to AWS; and the settings for the region.
pub(super) async fn connected(
    arguments: &Arguments,
    target: &TargetArguments,
) -> Result<(Ports, PlanSettings), CommandError> {
    if let Some((flag, name)) = target.named_twice() {
        return Err(CommandError::new(format!("error: {flag} names {name} twice")));
    }
    let selection = target.selection();
    let connection = if selection.is_complete() {
        None
    } else {
        Some(cluster::connect(&arguments.connection.flags(built_in())).await?)
    };
    let network = aws_login::network(arguments, connection.as_ref(), &[]);
    let ports = gather::connect(connection.as_ref(), &network, selection).await?;
    let wanted = target.wanted(&ports.region);
    if target.services.is_empty()
        && let Some((message, hint)) = not_offered(target.service_region.as_ref().unwrap_or(&ports.region))
    {
        let hint = format!("{hint}; pass them with --service NAME=SERVICE");
        return Err(CommandError::with_hint(format!("error: {message}"), hint));
    }
    if let Some([one, other]) = same_service(&wanted.services) {
        let message = format!("error: {one} and {other} have the same endpoint service");
        return Err(CommandError::with_hint(message, "name each service once with --service"));
    }
    Ok((ports, wanted))
}
