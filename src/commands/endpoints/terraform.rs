//! `endpoints terraform`: the plan as Terraform code.

use std::collections::BTreeSet;

use aws_config::SdkConfig;

use super::plan::connected;
use super::written_files::write;
use crate::aws::ecr::Ecr;
use crate::cli::{Arguments, EndpointsTerraformArguments, word};
use crate::commands::{CommandError, ExitStatus};
use crate::endpoints::decide::decide;
use crate::endpoints::gather;
use crate::endpoints::plan::{Action, EndpointPlan, Problem};
use crate::endpoints::settings::PlanSettings;
use crate::endpoints::terraform::configuration::{Configuration, Repositories};
use crate::endpoints::terraform::{File, files};
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::model::inventory::Inventory;
use crate::output::{self, endpoints as text};
use crate::sync::artifact::file::read_inventory;
use crate::sync::destination_repositories::names;

pub(super) async fn run(
    arguments: &Arguments,
    terraform: &EndpointsTerraformArguments,
) -> Result<ExitStatus, CommandError> {
    let inventory = terraform.inventory.as_deref().map(read_inventory).transpose()?;
    let (clients, settings) = Box::pin(connected(arguments, &terraform.target)).await?;
    // The module checks the attributes of the VPC, which belongs to others.
    let settings = PlanSettings { enable_vpc_dns: true, ..settings };
    let facts = gather::facts(&clients, &settings).await?;
    let mut plan = decide(&facts, &settings);
    plan.problems.extend(attributes_off(&plan));
    let rules = gather::rules_of_ours(&clients, &facts).await?;
    let repositories = match &inventory {
        Some(inventory) => {
            let (mirror, names, unnamed) =
                names(inventory, &terraform.mirror(), &facts.region, facts.account.as_deref())?;
            plan.problems.extend(missing_images(inventory, &unnamed));
            Repositories { existing: existing(&clients.aws, &mirror, &names).await?, names }
        }
        None => Repositories::default(),
    };
    let configuration = Configuration::new(&facts, &settings, &plan, &rules, &repositories);
    let files = files(&configuration);
    match &terraform.out {
        Some(directory) => write(directory, &files, terraform.overwrite)?,
        None => print(&files)?,
    }
    text::notes(&plan);
    text::problems(&plan);
    if let Some(directory) = terraform.out.as_ref().filter(|_| plan.problems.is_empty()) {
        let folder = word(&directory.display().to_string());
        output::say(&format!("next: terraform -chdir={folder} init && terraform -chdir={folder} plan"));
    }
    Ok(if plan.problems.is_empty() { ExitStatus::Done } else { ExitStatus::Attention })
}

/// Terraform cannot turn on an attribute of a VPC that it does not manage.
fn attributes_off(plan: &EndpointPlan) -> Option<Problem> {
    let off = plan.actions.iter().filter_map(|action| match action {
        Action::EnableVpcAttribute { attribute, .. } => Some(*attribute),
        _ => None,
    });
    let off: Vec<_> = off.collect();
    (!off.is_empty()).then(|| Problem {
        subject: plan.vpc.clone(),
        message: format!("private DNS needs {}, off now: the code fails until it is on", off.join(" and ")),
        hint: format!(
            "turn it on where the VPC is managed, or with: {}",
            off.iter()
                .map(|attribute| {
                    let flag = if *attribute == "enableDnsSupport" {
                        "--enable-dns-support"
                    } else {
                        "--enable-dns-hostnames"
                    };
                    format!(
                        "aws ec2 modify-vpc-attribute --region {} --vpc-id {} {flag}",
                        plan.region, plan.vpc
                    )
                })
                .collect::<Vec<_>>()
                .join(" && ")
        ),
    })
}

/// That repositories are missing, because their images are not known or cannot have a name in ECR.
fn missing_images(inventory: &Inventory, unnamed: &[String]) -> Option<Problem> {
    let unread = inventory.unlisted.iter().chain(&inventory.unreadable).cloned();
    let unread: Vec<_> = unread.chain(unnamed.iter().cloned()).collect();
    (!unread.is_empty()).then(|| Problem {
        subject: "inventory".to_owned(),
        message: format!("repositories may be missing: {}", unread.join(", ")),
        hint: "make it again with `images -o json`, which says what could not be read".to_owned(),
    })
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
