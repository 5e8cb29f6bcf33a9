//! `endpoints`: the VPC endpoints for Cast AI's services.

mod list;
mod plan;

use super::{CommandError, ExitStatus, aws_login};
use crate::cli::{Arguments, EndpointsArguments, EndpointsCommand};

pub(super) async fn run(
    arguments: &Arguments,
    endpoints: &EndpointsArguments,
) -> Result<ExitStatus, CommandError> {
    match &endpoints.command {
        EndpointsCommand::List(list) => list::run(list),
        EndpointsCommand::Plan(plan) => Box::pin(plan::run(arguments, plan)).await,
    }
}
