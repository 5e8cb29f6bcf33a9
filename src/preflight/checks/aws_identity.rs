//! CPL401: AWS accepts these credentials.

use crate::preflight::api_response::ApiResponse;
use crate::preflight::check::{Category, Check, FactSource, Judge, Severity};
use crate::preflight::judgement::Judgement;

pub static CHECK: Check = Check {
    code: "CPL401",
    title: "AWS accepts these credentials",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["sts:GetCallerIdentity"],
    explanation: "Without credentials, nothing of the VPC, its endpoints and ECR can be read.",
    remediation: "configure AWS credentials as for the AWS CLI",
    judge: Judge::Caller(judge),
};

fn judge(identity: &ApiResponse) -> Judgement {
    identity.judge("AWS STS")
}
