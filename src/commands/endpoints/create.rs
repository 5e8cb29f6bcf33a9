//! `endpoints create`: the plan, a question, the changes.

use super::change::change;
use super::plan::connected;
use crate::cli::{Arguments, EndpointsCreateArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;

pub(super) async fn run(
    arguments: &Arguments,
    wanted: &EndpointsCreateArguments,
) -> Result<ExitStatus, CommandError> {
    let (ports, settings) = Box::pin(connected(arguments, &wanted.target)).await?;
    Box::pin(change(&ports, &settings, decide, &wanted.change)).await
}
