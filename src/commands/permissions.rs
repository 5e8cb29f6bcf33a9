//! `permissions`: the permissions that the plugin needs, without any request.

use serde::Serialize;

use super::{CommandError, ExitStatus, selection};
use crate::cli::{
    Arguments, OutputFormat, PermissionsArguments, PermissionsCommand, PermissionsFormat, PolicyPurpose,
};
use crate::output::{self, permissions as text};
use crate::permissions::iam::{self, Registry};
use crate::permissions::{AwsAction, KubernetesRule, aws, kubernetes, rbac};

/// The default namespace of Cast AI's charts.
const COMPONENTS: &str = "castai-agent";

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct All {
    kubernetes: Vec<KubernetesRule>,
    aws: Vec<&'static AwsAction>,
}

pub(super) fn run(
    arguments: &Arguments,
    permissions: &PermissionsArguments,
) -> Result<ExitStatus, CommandError> {
    match &permissions.command {
        None => {
            let overview = &permissions.overview;
            let knowledge = selection::knowledge_file(&overview.knowledge)?;
            let all = All {
                kubernetes: kubernetes::rules(overview.read_only, &knowledge),
                aws: aws::actions(None, overview.read_only).collect(),
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
            let knowledge = selection::knowledge_file(&rbac.knowledge)?;
            match rbac.output {
                PermissionsFormat::Table => {
                    output::result(&text::kubernetes(&kubernetes::rules(rbac.read_only, &knowledge)))?;
                }
                PermissionsFormat::Json => {
                    let list = rbac::list(rbac.read_only, namespace, &rbac.subject, &knowledge);
                    output::document(&list, OutputFormat::Json)?;
                }
                PermissionsFormat::Yaml => {
                    output::result(&rbac::yaml(rbac.read_only, namespace, &rbac.subject, &knowledge))?;
                }
            }
        }
        Some(PermissionsCommand::Iam(iam)) => {
            let registry = Registry { account: iam.account.as_deref(), region: iam.region.as_deref() };
            let purpose = iam.purpose.map(PolicyPurpose::purpose);
            let policy = iam::policy(purpose, iam.read_only, &registry);
            match iam.output {
                PermissionsFormat::Table => {
                    output::result(&text::aws(&aws::actions(purpose, iam.read_only).collect::<Vec<_>>()))?;
                }
                PermissionsFormat::Json => output::document(&policy, OutputFormat::Json)?,
                PermissionsFormat::Yaml => output::document(&policy, OutputFormat::Yaml)?,
            }
        }
    }
    Ok(ExitStatus::Done)
}
