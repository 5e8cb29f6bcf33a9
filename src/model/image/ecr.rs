//! Names in Amazon ECR: hosts, ARNs, and valid repository names.

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
    /// The ECR registry with this distribution API host, if it is one.
    pub fn of_host(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once(".dkr.ecr.")?;
        let (region, suffix) = rest.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        (is_account && suffix == dns_suffix(region))
            .then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }

    /// The host of the distribution API.
    pub fn host(&self) -> String {
        let Self { account, region } = self;
        format!("{account}.dkr.ecr.{region}.{}", dns_suffix(region))
    }

    /// The ARN of a repository.
    pub fn arn(&self, repository: &str) -> String {
        let Self { account, region } = self;
        let partition = if region.starts_with("cn-") {
            "aws-cn"
        } else if region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        };
        format!("arn:{partition}:ecr:{region}:{account}:repository/{repository}")
    }
}

/// China's partition has its own DNS suffix (AWS General Reference, ECR endpoints).
pub fn dns_suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
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
        ] {
            assert_eq!(EcrRegistry::of_host(host).unwrap().host(), host);
        }
        for host in [
            "registry.example",
            "12.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.example.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com:5000",
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
