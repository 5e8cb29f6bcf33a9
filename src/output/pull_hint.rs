//! What to check if nodes cannot pull from ECR: the kubelet's message names neither the permission nor the endpoint.

use crate::model::image::Image;
use crate::model::image::ecr::EcrRegistry;
use crate::sync::rollout::WorkloadReport;

/// The hint for `failures`, each an image and the kubelet's message; `None` if no failure is of this kind.
pub(super) fn pull_hint<'f>(failures: impl Iterator<Item = (&'f str, &'f str)>) -> Option<String> {
    let causes = failures.filter_map(|(image, message)| {
        let ecr = EcrRegistry::of_host(image.parse::<Image>().ok()?.host())?;
        Some((Cause::of(message)?, ecr))
    });
    // A refusal is certain, and a timeout may pass.
    let (cause, ecr) = causes.min_by_key(|(cause, _)| *cause)?;
    let endpoints = format!("the VPC endpoints ecr.api, ecr.dkr and S3 (gateway) of {}", ecr.region);
    Some(match cause {
        Cause::Denied => format!(
            "hint: ECR denies the pull: the node's IAM role needs AmazonEC2ContainerRegistryPullOnly; also \
             check the repository's policy and those of {endpoints}"
        ),
        Cause::Unreachable => format!(
            "hint: nodes cannot reach ECR: check {endpoints}, with private DNS and security groups that \
             allow TCP 443 from the nodes"
        ),
    })
}

/// The same for the pods of rolled out workloads.
pub(super) fn rollout_pull_hint(workloads: &[WorkloadReport]) -> Option<String> {
    pull_hint(workloads.iter().flat_map(WorkloadReport::pull_failures))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Denied,
    Unreachable,
}

impl Cause {
    /// By the messages of containerd (`core/remotes/docker`) and of Go's `net` package.
    fn of(message: &str) -> Option<Self> {
        let message = message.to_lowercase();
        let contains = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
        if contains(&[
            "403",
            "forbidden",
            "401",
            "unauthorized",
            "no basic auth credentials",
            "not authorized",
        ]) {
            Some(Self::Denied)
        } else if contains(&["i/o timeout", "no such host", "connection refused", "deadline exceeded"]) {
            Some(Self::Unreachable)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_role_or_the_endpoints() {
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/castai-privatelink/castai/x:v1";
        let role = Some("the node's IAM role needs AmazonEC2ContainerRegistryPullOnly");
        let endpoints = Some("ecr.api, ecr.dkr and S3 (gateway) of eu-west-1");
        let cases = [
            (ecr, "unexpected status from HEAD request: 403 Forbidden", role),
            (ecr, "unexpected status from HEAD request: 403 Forbidden", endpoints),
            (ecr, "pull access denied, no basic auth credentials", role),
            (ecr, "dial tcp 52.46.1.2:443: i/o timeout", endpoints),
            (ecr, "dial tcp: lookup api.ecr: no such host", endpoints),
            (ecr, "not found", None),
            ("ghcr.io/castai/x:v1", "403 Forbidden", None),
            ("Not/A:Name", "403 Forbidden", None),
        ];
        for (image, message, expected) in cases {
            let hint = pull_hint([(image, message)].into_iter());
            assert_eq!(hint.is_some(), expected.is_some(), "{image} {message}");
            assert!(hint.unwrap_or_default().contains(expected.unwrap_or_default()), "{message}");
        }
    }
}
