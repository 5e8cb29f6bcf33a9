//! `values`: the names of the mirror, in the form that whoever owns the workloads takes.

mod policy;
mod sight;

use super::{Ending, Stop};
use crate::cli::{Arguments, ValuesArguments, ValuesCommand};

pub(super) async fn run(arguments: &Arguments, values: &ValuesArguments) -> Result<Ending, Stop> {
    match &values.kind {
        ValuesCommand::Policy(policy) => policy::run(arguments, policy).await,
    }
}
