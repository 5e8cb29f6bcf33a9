//! CPL502: nodes pull the probe image.

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::pods::{Ended, Phase, PodRun};

pub static CHECK: Check = Check {
    code: "CPL502",
    title: "nodes pull the probe image",
    category: Category::Pods,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL501")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[
        "ecr:BatchGetImage (nodes)",
        "ecr:GetDownloadUrlForLayer (nodes)",
        "ecr:GetAuthorizationToken (nodes)",
    ],
    explanation: "The image is pushed to the registry of the mirrored images, below the same path, so a node \
                  that pulls it can pull those: it reaches `ecr.api`, `ecr.dkr` and the layers in S3, and its \
                  role may read the repositories.",
    remediation: "create the endpoints of ECR and S3, and allow the node role to pull",
    judge: Judge::Pod(judge),
};

fn judge(pod: &PodRun) -> Judgement {
    let judgement = match &pod.ended {
        Ended::Failed(trouble) if trouble.phase <= Phase::Pull => {
            let judgement = Judgement::fail(trouble.to_text());
            if is_denied(&trouble.message) {
                judgement.fix(Fix::command(
                    "allow the node role to pull: attach this policy",
                    "kubectl castai-privatelink permissions iam --for=nodes",
                ))
            } else {
                judgement.fix(Fix::command(
                    "create what is missing of the endpoints of ECR and S3, after a confirmation prompt",
                    "kubectl castai-privatelink endpoints create --with-aws-endpoints",
                ))
            }
        }
        Ended::Failed(_) | Ended::Reported(_) => Judgement::pass(pod.image.clone()),
    };
    judgement.expected(pod.image.clone())
}

/// Whether the registry responded, and refused, in the words of containerd and of ECR.
fn is_denied(message: &str) -> bool {
    let message = message.to_lowercase();
    ["403", "forbidden", "401", "unauthorized", "not authorized", "no basic auth", "access denied"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks::testing::{failed, reported};

    #[test]
    fn the_message_decides_between_permissions_and_endpoints() {
        let cases = [
            (reported("n", 1), "Pass", ""),
            (failed("n", Phase::Run, "exit code 1"), "Pass", ""),
            (failed("n", Phase::Pull, "unexpected status: 403 Forbidden"), "Fail", "permissions iam"),
            (failed("n", Phase::Pull, "dial tcp 52.1.2.3:443: i/o timeout"), "Fail", "endpoints create"),
            (failed("n", Phase::Pull, "no such host"), "Fail", "endpoints create"),
        ];
        for (pod, result, command) in cases {
            let judgement = judge(&pod);
            assert_eq!(judgement.outcome.name(), result);
            let commands = judgement.fixes.iter().filter_map(|fix| fix.command.clone()).collect::<String>();
            assert!(commands.contains(command), "{commands}");
        }
    }
}
