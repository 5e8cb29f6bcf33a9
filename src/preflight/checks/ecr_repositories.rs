//! CPL303: ECR answers for the mirror's repositories.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL303",
    title: "ECR answers for the mirror's repositories",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &["CPL301", "CPL302"],
    place: Place::AwsApi,
    permissions: &["ecr:DescribeRepositories"],
    explanation: "Mirroring reads which images are there already. Repositories that do not exist yet are created then.",
    remedy: "allow ecr:DescribeRepositories to these credentials",
};
