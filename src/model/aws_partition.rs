//! AWS partitions: which one a region belongs to, and its names in ARNs and DNS.

/// A group of regions with its own accounts, ARNs and DNS names.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// In ARNs.
    pub id: &'static str,
    /// What its regions begin with; empty for the partition of all other regions.
    region_prefix: &'static str,
    /// Of the names of services.
    pub dns_suffix: &'static str,
    /// Of registries in ECR with IPv4 and IPv6, if there are any.
    pub dual_stack_registries: Option<&'static str>,
}

const fn partition(id: &'static str, region_prefix: &'static str, dns_suffix: &'static str) -> Partition {
    Partition { id, region_prefix, dns_suffix, dual_stack_registries: None }
}

/// Ids, regions and DNS suffixes: the SDKs' `partitions.json` (aws-sdk-ecr 1.138.0, `endpoint_lib.rs`). Suffixes of
/// dual-stack registries: the hosts that EKS nodes log in to (`matchImages` of Bottlerocket's `ecr-credential-provider`).
static PARTITIONS: [Partition; 8] = [
    Partition {
        dual_stack_registries: Some("on.amazonwebservices.com.cn"),
        ..partition("aws-cn", "cn-", "amazonaws.com.cn")
    },
    Partition {
        dual_stack_registries: Some("on.aws"),
        ..partition("aws-us-gov", "us-gov-", "amazonaws.com")
    },
    partition("aws-eusc", "eusc-", "amazonaws.eu"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov"),
    partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov"),
    Partition { dual_stack_registries: Some("on.aws"), ..partition("aws", "", "amazonaws.com") },
];

/// Whether a text has the syntax of a region. Only the syntax is known, because AWS adds regions.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts.as_slice(), [words @ .., number]
        if words.len() >= 2 && words.iter().all(is_word) && is_number(number) && number.len() < 3)
}

impl Partition {
    /// The partition of a region. Like the SDKs, it takes an unknown region for one of `aws`.
    pub fn of_region(region: &str) -> &'static Self {
        let mut partitions = PARTITIONS.iter();
        let found = partitions.find(|partition| region.starts_with(partition.region_prefix));
        found.unwrap_or(&PARTITIONS[PARTITIONS.len() - 1])
    }

    /// The name of the VPC endpoint service of an AWS service: it begins with the reversed DNS suffix, in every
    /// partition (AWS CDK, `vpc-endpoint.ts`, `getDefaultEndpointPrefix`).
    pub fn endpoint_service(region: &str, service: &str) -> String {
        let suffix = Self::of_region(region).dns_suffix;
        let labels: Vec<_> = suffix.rsplit('.').collect();
        format!("{}.{region}.{service}", labels.join("."))
    }

    /// Without the DNS suffix of its partition, a host's name.
    pub fn strip_dns_suffix(host: &str) -> Option<&str> {
        let mut suffixes = PARTITIONS.iter().map(|partition| partition.dns_suffix);
        suffixes.find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_the_syntax_of_aws() {
        for text in ["us-east-1", "us-gov-west-1", "ap-southeast-7", "eusc-de-east-1", "cn-north-1"] {
            assert!(is_region(text), "{text}");
        }
        for text in
            ["", "us-east1", "mars-1", "US-EAST-1", "us-east-1a", "us--1", "us-east-1 ", "us-east-+1", "dc_1"]
        {
            assert!(!is_region(text), "{text}");
        }
    }

    #[test]
    fn a_region_belongs_to_a_partition() {
        for (region, id, suffix, service) in [
            ("us-east-1", "aws", "amazonaws.com", "com.amazonaws.us-east-1.ecr.dkr"),
            ("mx-central-1", "aws", "amazonaws.com", "com.amazonaws.mx-central-1.ecr.dkr"),
            ("cn-northwest-1", "aws-cn", "amazonaws.com.cn", "cn.com.amazonaws.cn-northwest-1.ecr.dkr"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com", "com.amazonaws.us-gov-west-1.ecr.dkr"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu", "eu.amazonaws.eusc-de-east-1.ecr.dkr"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov", "gov.ic.c2s.us-iso-east-1.ecr.dkr"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov", "gov.sgov.sc2s.us-isob-east-1.ecr.dkr"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk", "uk.adc-e.cloud.eu-isoe-west-1.ecr.dkr"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov", "gov.ic.hci.csp.us-isof-south-1.ecr.dkr"),
            ("*", "aws", "amazonaws.com", "com.amazonaws.*.ecr.dkr"),
        ] {
            let partition = Partition::of_region(region);
            assert_eq!((partition.id, partition.dns_suffix), (id, suffix), "{region}");
            assert_eq!(Partition::endpoint_service(region, "ecr.dkr"), service);
            let host = format!("x.{region}.{suffix}");
            assert_eq!(Partition::strip_dns_suffix(&host), Some(&*format!("x.{region}")));
        }
        assert_eq!(Partition::strip_dns_suffix("x.notamazonaws.com"), None);
    }
}
