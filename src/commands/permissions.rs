//! `permissions`: the permissions that the plugin needs, without any request.

use serde::Serialize;

use super::{CommandError, ExitStatus};
use crate::cli::{Arguments, OutputFormat, PermissionsArguments, PermissionsCommand, PermissionsFormat};
use crate::output::{self, permissions as text};
use crate::permissions::iam::{self, Registry};
use crate::permissions::{AwsAction, KubernetesRule, aws, kubernetes, rbac};

/// The default namespace of Cast AI's charts.
const COMPONENTS: &str = "castai-agent";

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct All {
    kubernetes: Vec<&'static KubernetesRule>,
    aws: Vec<&'static AwsAction>,
}

pub(super) fn run(
    arguments: &Arguments,
    permissions: &PermissionsArguments,
) -> Result<ExitStatus, CommandError> {
    match &permissions.half {
        None => {
            let overview = &permissions.overview;
            let all = All {
                kubernetes: kubernetes::rules(overview.read_only).collect(),
                aws: aws::actions(overview.read_only).collect(),
            };
            match overview.output {
                PermissionsFormat::Table => {
                    let tables = [text::kubernetes(&all.kubernetes), text::aws(&all.aws)];
                    output::result(&tables.join("\n"))?;
                }
                PermissionsFormat::Json => output::document(&all, OutputFormat::Json)?,
                PermissionsFormat::Yaml => output::document(&all, OutputFormat::Yaml)?,
            }
        }
        Some(PermissionsCommand::Rbac(rbac)) => {
            let namespace = arguments.connection.namespace.as_deref().unwrap_or(COMPONENTS);
            match rbac.output {
                PermissionsFormat::Table => {
                    let rules: Vec<_> = kubernetes::rules(rbac.read_only).collect();
                    output::result(&text::kubernetes(&rules))?;
                }
                PermissionsFormat::Json => {
                    let list = rbac::list(rbac.read_only, namespace, &rbac.subject);
                    output::document(&list, OutputFormat::Json)?;
                }
                PermissionsFormat::Yaml => {
                    output::result(&rbac::yaml(rbac.read_only, namespace, &rbac.subject))?;
                }
            }
        }
        Some(PermissionsCommand::Iam(iam)) => {
            let registry = Registry { account: iam.account.as_deref(), region: iam.region.as_deref() };
            let policy = iam::policy(iam.read_only, &registry);
            match iam.output {
                PermissionsFormat::Table => {
                    output::result(&text::aws(&aws::actions(iam.read_only).collect::<Vec<_>>()))?;
                }
                PermissionsFormat::Json => output::document(&policy, OutputFormat::Json)?,
                PermissionsFormat::Yaml => output::document(&policy, OutputFormat::Yaml)?,
            }
        }
    }
    Ok(ExitStatus::Done)
}
