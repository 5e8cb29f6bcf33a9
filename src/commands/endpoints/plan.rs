//! `endpoints plan`: gather facts about cluster and VPC, decide, print the plan.

use super::{aws_login, service_file};
use crate::castai::built_in;
use crate::cli::{Arguments, EndpointsFormat, EndpointsPlanArguments, OutputFormat, TargetArguments};
use crate::cluster;
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;
use crate::endpoints::gather::{self, Clients, Selection};
use crate::endpoints::offer::not_offered;
use crate::endpoints::plan::EndpointPlan;
use crate::endpoints::settings::{PlanSettings, merged, same_name, same_service};
use crate::output::{self, endpoints as text};

pub(super) async fn run(
    arguments: &Arguments,
    plan_arguments: &EndpointsPlanArguments,
) -> Result<ExitStatus, CommandError> {
    let plan = Box::pin(planned(arguments, &plan_arguments.target)).await?;
    match plan_arguments.output {
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
    let (clients, settings) = connected(arguments, target).await?;
    Ok(decide(&gather::facts(&clients, &settings).await?, &settings))
}

/// Connects to the cluster, unless the flags say all that it could, and to AWS; and the settings for the region.
pub(super) async fn connected(
    arguments: &Arguments,
    target: &TargetArguments,
) -> Result<(Clients, PlanSettings), CommandError> {
    if let Some(key) = target.tag_named_twice() {
        return Err(CommandError::new(format!("error: --tag names {key} twice")));
    }
    // Before anything is requested: a wrong file is found at once.
    let of_file = match &target.services.service_file {
        Some(path) => service_file::read(path).await?,
        None => Vec::new(),
    };
    let named = merged(of_file, &target.services.services);
    let selection = target.selection();
    let connection = if selection.is_complete() {
        None
    } else {
        let connected = cluster::connect(&arguments.connection.flags(built_in())).await;
        Some(connected.map_err(|error| without_cluster(error.into(), &selection))?)
    };
    let network = aws_login::network(arguments, connection.as_ref(), &[]);
    let clients = gather::connect(connection.as_ref(), &network, selection).await?;
    let settings = target.settings(&clients.region, &named);
    if named.is_empty()
        && let Some((message, hint)) =
            not_offered(target.services.service_region.as_ref().unwrap_or(&clients.region))
    {
        let hint = format!("{hint}; pass them with --service NAME=SERVICE or --service-file");
        return Err(CommandError::with_hint(format!("error: {message}"), hint));
    }
    if let Some([one, other]) = same_service(&settings.services) {
        let message = format!("error: {one} and {other} have the same endpoint service");
        return Err(CommandError::with_hint(message, "name each service once with --service"));
    }
    if let Some(name) = same_name(&settings.services) {
        let message = format!("error: two services have the name {name}");
        return Err(CommandError::with_hint(message, "choose another name with --service"));
    }
    Ok((clients, settings))
}

/// A run with --region and --vpc may be meant to work without a cluster.
fn without_cluster(mut error: CommandError, selection: &Selection) -> CommandError {
    if selection.region.is_some() && selection.vpc.is_some() {
        let way = "without a cluster, name the subnets of its nodes with --subnet";
        error.hint = Some(error.hint.map_or_else(|| way.to_owned(), |hint| format!("{hint}; {way}")));
    }
    error
}
