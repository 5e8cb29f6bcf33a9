//! `endpoints list`: Cast AI's endpoint services, without any request.

use crate::cli::{EndpointsFormat, EndpointsListArguments, OutputFormat};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::offer::{Offer, not_offered};
use crate::output::{self, endpoints as text};

pub(super) fn run(list: &EndpointsListArguments) -> Result<ExitStatus, CommandError> {
    let offer = Offer::new(list.region.as_deref());
    let unknown = list.region.as_deref().and_then(not_offered);
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
