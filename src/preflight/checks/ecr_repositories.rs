//! CPL303: ECR lists the images of the mirror.

use crate::preflight::check::{Category, Check, FactSource, Judge, Need, Requires, Severity};
use crate::preflight::facts::RegistryFacts;
use crate::preflight::judgement::Judgement;

pub static CHECK: Check = Check {
    code: "CPL303",
    title: "ECR lists the images of the mirror",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL301"), Requires::Same("CPL302")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ecr:ListImages"],
    explanation: "Mirroring lists existing images, and creates missing repositories.",
    remediation: "allow ecr:ListImages for these credentials",
    judge: Judge::Registry { needs: &[Need::EcrToken, Need::EcrRepository], judge },
};

fn judge(registry: &RegistryFacts) -> Judgement {
    registry.repository.judge("the ECR API")
}
