//! `endpoints terraform`: the plan as Terraform code.

use std::collections::BTreeSet;
use std::path::Path;

use aws_config::SdkConfig;

use super::plan::connected;
use crate::atomic_file;
use crate::aws::ecr::Ecr;
use crate::cli::{Arguments, EndpointsTerraformArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;
use crate::endpoints::gather;
use crate::endpoints::settings::PlanSettings;
use crate::endpoints::terraform::configuration::{Configuration, Repositories};
use crate::endpoints::terraform::{File, files};
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::output::{self, endpoints as text};
use crate::sync::artifact::file::read_inventory;
use crate::sync::destination_repositories::names;

pub(super) async fn run(
    arguments: &Arguments,
    wanted: &EndpointsTerraformArguments,
) -> Result<ExitStatus, CommandError> {
    let inventory = wanted.inventory.as_deref().map(read_inventory).transpose()?;
    let (ports, settings) = Box::pin(connected(arguments, &wanted.target)).await?;
    // The module checks the attributes of the VPC, which belongs to others.
    let settings = PlanSettings { enable_vpc_dns: true, ..settings };
    let facts = gather::facts(&ports, &settings).await?;
    let plan = decide(&facts, &settings);
    let rules = gather::rules_of_ours(&ports, &facts).await?;
    let repositories = match &inventory {
        Some(inventory) => {
            let (mirror, names) =
                names(inventory, &wanted.mirror(), &facts.region, facts.account.as_deref())?;
            Repositories { existing: existing(&ports.aws, &mirror, &names).await?, names }
        }
        None => Repositories::default(),
    };
    let configuration = Configuration::new(&facts, &settings, &plan, &rules, &repositories);
    let files = files(&configuration);
    match &wanted.out {
        Some(directory) => write(directory, &files, wanted.overwrite)?,
        None => print(&files)?,
    }
    text::notes(&plan);
    text::problems(&plan);
    if let Some(directory) = wanted.out.as_ref().filter(|_| plan.problems.is_empty()) {
        output::say(&format!("next: terraform -chdir={} init, then plan", directory.display()));
    }
    Ok(if plan.problems.is_empty() { ExitStatus::Done } else { ExitStatus::Attention })
}

/// Which of the repositories exist.
async fn existing(
    aws: &SdkConfig,
    mirror: &Mirror,
    names: &BTreeSet<String>,
) -> Result<BTreeSet<String>, CommandError> {
    let mut existing = BTreeSet::new();
    let Some(registry) = EcrRegistry::of_host(&mirror.registry) else { return Ok(existing) };
    let ecr = Ecr::new(aws, registry);
    for name in names {
        if ecr.has_repository(name).await? {
            existing.insert(name.clone());
        }
    }
    Ok(existing)
}

/// As `helm template` prints its files.
fn print(files: &[File]) -> Result<(), CommandError> {
    let texts = files.iter().map(|file| format!("# Source: {}\n{}", file.path, file.text));
    Ok(output::result(&texts.collect::<Vec<_>>().join("\n"))?)
}

/// Writes all files, or none if one of them exists with other content and may not be replaced.
fn write(directory: &Path, files: &[File], overwrite: bool) -> Result<(), CommandError> {
    let failed = |path: &Path, error: std::io::Error| {
        CommandError::new(format!("error: writing {}: {error}", path.display()))
    };
    let mut changed = Vec::new();
    for file in files {
        let path = directory.join(&file.path);
        match std::fs::read(&path) {
            Ok(bytes) if bytes == file.text.as_bytes() => {}
            Ok(_) if !overwrite => {
                return Err(CommandError::with_hint(
                    format!("error: {} exists and differs; nothing was written", path.display()),
                    "choose another folder, or replace its files with --overwrite",
                ));
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&path, error)),
            Ok(_) | Err(_) => changed.push((path, &file.text)),
        }
    }
    for (path, text) in &changed {
        let folder = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(folder)
            .and_then(|()| atomic_file::replace(path, text.as_bytes()))
            .map_err(|error| failed(path, error))?;
        output::result(&format!("{}\n", path.display()))?;
    }
    if changed.is_empty() {
        output::say(&format!("up to date: every file in {} is as generated", directory.display()));
    }
    Ok(())
}
