//! `endpoints aws-cli`: the plan as a script of AWS CLI calls.

use super::plan::planned;
use crate::cli::{Arguments, TargetArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::aws_cli::script;
use crate::output::{self, endpoints as text};

pub(super) async fn run(arguments: &Arguments, target: &TargetArguments) -> Result<ExitStatus, CommandError> {
    let plan = Box::pin(planned(arguments, target)).await?;
    output::result(&script(&plan))?;
    text::notes(&plan);
    text::problems(&plan);
    Ok(if plan.problems.is_empty() { ExitStatus::Done } else { ExitStatus::Attention })
}
