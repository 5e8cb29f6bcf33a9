//! `values`: the private names, in the format that the workloads' owner reads.

mod gitops;
mod helm;
mod named_images;
mod policy;

use super::{CommandError, ExitStatus};
use crate::cli::{Arguments, ValuesArguments, ValuesCommand};

pub(super) async fn run(arguments: &Arguments, values: &ValuesArguments) -> Result<ExitStatus, CommandError> {
    match &values.kind {
        ValuesCommand::Helm(helm) => helm::run(arguments, helm).await,
        ValuesCommand::Kustomize(mirror) => gitops::kustomize(arguments, mirror).await,
        ValuesCommand::Patches(mirror) => gitops::patches(arguments, mirror).await,
        // The largest futures are boxed.
        ValuesCommand::Policy(policy) => Box::pin(policy::run(arguments, policy)).await,
    }
}
