//! `endpoints`: the VPC endpoints for Cast AI's services.

mod list;

use super::{CommandError, ExitStatus};
use crate::cli::{EndpointsArguments, EndpointsCommand};

pub(super) fn run(endpoints: &EndpointsArguments) -> Result<ExitStatus, CommandError> {
    match &endpoints.command {
        EndpointsCommand::List(list) => list::run(list),
    }
}
