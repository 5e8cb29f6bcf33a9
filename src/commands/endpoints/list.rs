//! `endpoints list`: Cast AI's endpoint services, without any request; or the endpoints of a VPC.

use super::plan::connected;
use crate::cli::{Arguments, EndpointsFormat, EndpointsListArguments, OutputFormat, TargetArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;
use crate::endpoints::gather;
use crate::endpoints::list::EndpointList;
use crate::endpoints::offer::{Offer, not_offered};
use crate::output::{self, endpoints as text};

pub(super) async fn run(
    arguments: &Arguments,
    list: &EndpointsListArguments,
) -> Result<ExitStatus, CommandError> {
    match list.target() {
        Some(target) => Box::pin(in_vpc(arguments, &target, list.output)).await,
        None => offered(list),
    }
}

/// The services, and what is missing of each in the VPC. A missing endpoint is no error, as in `plan`.
async fn in_vpc(
    arguments: &Arguments,
    target: &TargetArguments,
    format: EndpointsFormat,
) -> Result<ExitStatus, CommandError> {
    let (clients, settings) = connected(arguments, target).await?;
    let facts = gather::facts(&clients, &settings).await?;
    let plan = decide(&facts, &settings);
    let list = EndpointList::new(&facts, &settings, &plan);
    match format {
        EndpointsFormat::Table => text::list(&list, &plan, &target.selecting_flags())?,
        EndpointsFormat::Json => output::document(&list, OutputFormat::Json)?,
        EndpointsFormat::Yaml => output::document(&list, OutputFormat::Yaml)?,
    }
    Ok(if list.needs_attention() { ExitStatus::Attention } else { ExitStatus::Done })
}

fn offered(list: &EndpointsListArguments) -> Result<ExitStatus, CommandError> {
    let region = list.vpc.region.as_deref();
    let offer = Offer::new(region);
    let unknown = region.and_then(not_offered);
    match list.output {
        EndpointsFormat::Table if unknown.is_some() => {}
        EndpointsFormat::Table => text::offer(&offer)?,
        EndpointsFormat::Json => output::document(&offer, OutputFormat::Json)?,
        EndpointsFormat::Yaml => output::document(&offer, OutputFormat::Yaml)?,
    }
    let Some((message, hint)) = unknown else { return Ok(ExitStatus::Done) };
    output::error(&format!("error: {message}"), Some(&hint));
    Ok(ExitStatus::Attention)
}
