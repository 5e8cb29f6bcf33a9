//! CPL302: ECR issues a token for these AWS credentials.

use crate::preflight::check::{Category, Check, FactSource, Judge, Need, Requires, Severity};
use crate::preflight::facts::RegistryFacts;
use crate::preflight::judgement::Judgement;

pub static CHECK: Check = Check {
    code: "CPL302",
    title: "ECR issues a token for these AWS credentials",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[Requires::Region("CPL104")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ecr:GetAuthorizationToken"],
    explanation: "Mirroring logs in to the registry with it.",
    remediation: "renew the AWS credentials",
    judge: Judge::Registry { needs: &[Need::EcrToken], judge },
};

fn judge(registry: &RegistryFacts) -> Judgement {
    registry.token.judge("the ECR API")
}
