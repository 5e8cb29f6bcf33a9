//! `endpoints`: the VPC endpoints for Cast AI's services.

mod aws_cli;
mod change;
mod create;
mod delete;
mod list;
mod plan;
mod service_file;
mod terraform;
mod written_files;

use super::{CommandError, ExitStatus, aws_login};
use crate::cli::{Arguments, EndpointsArguments, EndpointsCommand};

pub(super) async fn run(
    arguments: &Arguments,
    endpoints: &EndpointsArguments,
) -> Result<ExitStatus, CommandError> {
    match &endpoints.command {
        EndpointsCommand::List(list) => Box::pin(list::run(arguments, list)).await,
        EndpointsCommand::Plan(plan) => Box::pin(plan::run(arguments, plan)).await,
        EndpointsCommand::Create(create) => Box::pin(create::run(arguments, create)).await,
        EndpointsCommand::Terraform(terraform) => Box::pin(terraform::run(arguments, terraform)).await,
        EndpointsCommand::Delete(delete) => Box::pin(delete::run(arguments, delete)).await,
        EndpointsCommand::AwsCli(target) => Box::pin(aws_cli::run(arguments, target)).await,
    }
}
