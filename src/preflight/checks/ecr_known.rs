//! CPL301: the cluster's ECR registry is known.

use crate::model::image::ecr::PATH;
use crate::preflight::check::{Category, Check, Judge, Severity, Source};
use crate::preflight::facts::RegistryFacts;
use crate::preflight::judgement::{Judgement, Remedy};

pub static CHECK: Check = Check {
    code: "CPL301",
    title: "the cluster's ECR registry is known",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    source: Source::KubernetesApi,
    permissions: &[],
    explanation: "Nodes pull Cast AI's images from the account's registry in the cluster's region.",
    remediation: "give the registry with --registry",
    judge: Judge::Registry { needs: &[], judge },
};

fn judge(registry: &RegistryFacts) -> Judgement {
    let why = match (&registry.region, &registry.account) {
        (Some(region), Some(account)) => {
            return Judgement::pass(format!("account {account} in {region}"));
        }
        (None, Some(_)) => "the region is not known",
        (Some(_), None) => "the account is not known",
        (None, None) => "neither the account nor the region is known",
    };
    Judgement::unknown(why).remedy(Remedy::command(
        "give the registry",
        format!(
            "kubectl castai-privatelink preflight --registry ACCOUNT.dkr.ecr.REGION.amazonaws.com/{PATH}"
        ),
    ))
}
