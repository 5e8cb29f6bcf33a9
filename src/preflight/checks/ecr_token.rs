//! CPL302: ECR gives a token to these AWS credentials.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL302",
    title: "ECR gives a token to these AWS credentials",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    place: Place::AwsApi,
    permissions: &["ecr:GetAuthorizationToken"],
    explanation: "Mirroring signs in to the registry with it.",
    remedy: "renew the AWS credentials",
};
