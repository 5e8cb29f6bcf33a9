//! `version`: the version of this binary, without any request.

use serde::Serialize;

use super::{CommandError, ExitStatus};
use crate::cli::{OutputFormat, VERSION, VersionArguments, VersionFormat};
use crate::output;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Version {
    version: &'static str,
    platform: String,
}

impl Version {
    pub(crate) fn current() -> Self {
        let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
        Self { version: VERSION, platform }
    }
}

pub(super) fn run(arguments: &VersionArguments) -> Result<ExitStatus, CommandError> {
    let version = Version::current();
    match arguments.output {
        None => {
            output::result(&format!(
                "kubectl castai-privatelink {} {}\n",
                version.version, version.platform
            ))?;
        }
        Some(VersionFormat::Json) => output::document(&version, OutputFormat::Json)?,
        Some(VersionFormat::Yaml) => output::document(&version, OutputFormat::Yaml)?,
    }
    Ok(ExitStatus::Done)
}
