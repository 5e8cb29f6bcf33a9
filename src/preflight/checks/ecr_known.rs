//! CPL301: the cluster's ECR registry is known.

use crate::model::image::ecr::PATH;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::facts::RegistryFacts;
use crate::preflight::judgement::{Fix, Judgement};

pub static CHECK: Check = Check {
    code: "CPL301",
    title: "the cluster's ECR registry is known",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[Requires::Region("CPL104")],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &[],
    explanation: "Nodes pull Cast AI's images from the account's ECR registry in the cluster's region.",
    remediation: "set --registry",
    judge: Judge::Registry { needs: &[], judge },
};

fn judge(registry: &RegistryFacts) -> Judgement {
    let why = match (&registry.region, &registry.account) {
        (Some(region), Ok(account)) => {
            return Judgement::pass(format!("account {account} in {region}"));
        }
        (None, _) => "unknown region".to_owned(),
        (Some(_), Err(why)) => format!("unknown account: {why}"),
    };
    Judgement::unknown(why).fix(Fix::command(
        "give the registry",
        format!(
            "kubectl castai-privatelink preflight --registry ACCOUNT.dkr.ecr.REGION.amazonaws.com/{PATH}"
        ),
    ))
}
