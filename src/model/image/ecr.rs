//! Names in Amazon ECR: hosts, ARNs, and valid repository names.

use crate::model::aws_partition::Partition;

/// The path below which images are mirrored in ECR, unless `--registry` is set. The path is ours: we wrote everything
/// below it and may update it, we never write outside it, and one resource in an IAM policy covers it.
pub const PATH: &str = "castai-privatelink";

/// A private ECR registry: one account in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcrRegistry {
    pub account: String,
    pub region: String,
}

impl EcrRegistry {
    /// The ECR registry with this distribution API host, if it is one: the host of [`Self::host`], one for IPv4 and
    /// IPv6, or one with FIPS cryptography (Amazon ECR user guide, "Making requests to Amazon ECR registries").
    pub fn of_host(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let ipv4 = || rest.strip_prefix("dkr.ecr.").or_else(|| rest.strip_prefix("dkr.ecr-fips."));
        let (rest, is_dual_stack) = match dual_stack(rest) {
            Some(rest) => (rest, true),
            None => (ipv4()?, false),
        };
        let (region, suffix) = rest.split_once('.')?;
        let partition = Partition::of_region(region);
        let expected =
            if is_dual_stack { partition.dual_stack_registries } else { Some(partition.dns_suffix) };
        (is_account && expected == Some(suffix))
            .then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }

    /// The default host of the distribution API.
    pub fn host(&self) -> String {
        let Self { account, region } = self;
        format!("{account}.dkr.ecr.{region}.{}", Partition::of_region(region).dns_suffix)
    }

    /// The ARN of a repository.
    pub fn arn(&self, repository: &str) -> String {
        let Self { account, region } = self;
        let partition = Partition::of_region(region).id;
        format!("arn:{partition}:ecr:{region}:{account}:repository/{repository}")
    }
}

/// What follows the account in a host for IPv4 and IPv6.
fn dual_stack(rest: &str) -> Option<&str> {
    rest.strip_prefix("dkr-ecr.").or_else(|| rest.strip_prefix("dkr-ecr-fips."))
}

/// Whether VPC endpoints serve this host of a registry in ECR: those for IPv4 and IPv6 are only reachable from the
/// internet (Amazon ECR user guide, "Making requests to Amazon ECR registries").
pub fn has_vpc_endpoint(host: &str) -> bool {
    host.split_once('.').is_some_and(|(_, rest)| dual_stack(rest).is_none())
}

/// Why ECR rejects `name` for a repository, if it does (Amazon ECR API, `CreateRepository`).
pub fn repository_name_fault(name: &str) -> Option<String> {
    let starts_or_ends = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !(2..=256).contains(&name.len()) {
        return Some("ECR repository names must have 2 to 256 characters".to_owned());
    }
    for segment in name.split('/') {
        let bytes = segment.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        let legal_ends = ends.iter().all(|byte| byte.is_some_and(|&byte| starts_or_ends(byte)));
        let legal = bytes.iter().all(|&byte| starts_or_ends(byte) || b"._-".contains(&byte));
        let separated = bytes.windows(2).all(|pair| pair.iter().any(|&byte| starts_or_ends(byte)));
        if !(legal_ends && legal && separated) {
            return Some(format!(
                "ECR does not allow `{segment}` in a repository name (allowed: a-z and 0-9, separated by a \
                 single `.`, `_` or `-`)"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_known_by_their_hosts() {
        for host in [
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
            "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
            "123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
            "123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
        ] {
            assert_eq!(EcrRegistry::of_host(host).unwrap().host(), host);
            assert!(has_vpc_endpoint(host));
        }
        for (host, region, is_private) in [
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", true),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1", false),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", false),
            ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1", false),
        ] {
            let registry = EcrRegistry { account: "123456789012".to_owned(), region: region.to_owned() };
            assert_eq!(EcrRegistry::of_host(host), Some(registry), "{host}");
            assert_eq!(has_vpc_endpoint(host), is_private, "{host}");
        }
        for host in [
            "registry.example",
            "12.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.example.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com:5000",
            "123456789012.dkr.ecr.us-east-1.on.aws",
            "123456789012.dkr-ecr.us-east-1.amazonaws.com",
            "123456789012.dkr-ecr.eusc-de-east-1.on.aws",
            "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.com",
            "123456789012.ecr.us-east-1.amazonaws.com",
        ] {
            assert_eq!(EcrRegistry::of_host(host), None, "{host}");
        }
    }

    #[test]
    fn repository_names_are_validated_like_ecr() {
        for name in ["castai/agent", "us-docker.pkg.dev/castai-hub/library/agent", "a0/b_c", "ab"] {
            assert_eq!(repository_name_fault(name), None, "{name}");
        }
        for name in ["a", "a__b", "a--b", "A/b", "a//b", "-ab", "ab-", "a/b.", &"x".repeat(257)] {
            assert!(repository_name_fault(name).is_some(), "{name}");
        }
    }
}
