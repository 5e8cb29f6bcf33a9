//! `endpoints create`: the plan, a question, the changes.

use super::change::change;
use super::plan::connected;
use crate::cli::{Arguments, EndpointsCreateArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;

pub(super) async fn run(
    arguments: &Arguments,
    create: &EndpointsCreateArguments,
) -> Result<ExitStatus, CommandError> {
    let (clients, settings) = Box::pin(connected(arguments, &create.target)).await?;
    Box::pin(change(&clients, &settings, decide, &create.change)).await
}
