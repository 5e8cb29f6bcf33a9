//! Newer versions of an image at its source: pure.

use serde::Serialize;

/// Versions at the source that are newer than the one in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewerVersions {
    pub count: usize,
    /// The tag of the newest.
    pub latest: String,
}

/// A tag such as `v1.164.8` or `1.2.3-alpine`.
#[derive(Debug, PartialEq, Eq)]
struct VersionTag<'t> {
    numbers: Vec<u64>,
    prefix: &'t str,
    suffix: &'t str,
}

impl<'t> VersionTag<'t> {
    /// `None` for a tag without at least two numbers, such as `latest` or a build's hash.
    fn parse(tag: &'t str) -> Option<Self> {
        let rest = tag.strip_prefix('v').unwrap_or(tag);
        let prefix = &tag[..tag.len() - rest.len()];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (numbers, suffix) = rest.split_at(end);
        let numbers: Option<Vec<u64>> = numbers.split('.').map(|number| number.parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.len() >= 2)?;
        Some(Self { numbers, prefix, suffix })
    }
}

/// The ones of `tags` that are newer than `current` and of the same form: a pre-release or another variant of the image
/// is no newer version of it.
pub(super) fn newer(current: &str, tags: &[String]) -> Option<NewerVersions> {
    let current = VersionTag::parse(current)?;
    let is_newer = |tag: &VersionTag<'_>| {
        (tag.prefix, tag.suffix, tag.numbers.len()) == (current.prefix, current.suffix, current.numbers.len())
            && tag.numbers > current.numbers
    };
    let newer: Vec<_> = tags
        .iter()
        .filter_map(|tag| Some((VersionTag::parse(tag)?, tag)))
        .filter(|(version, _)| is_newer(version))
        .collect();
    let (_, latest) = newer.iter().max_by(|(left, _), (right, _)| left.numbers.cmp(&right.numbers))?;
    Some(NewerVersions { count: newer.len(), latest: (*latest).clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_versions_of_the_same_form_are_newer() {
        let tags = [
            "v0.9.1",
            "v0.161.1",
            "v0.161.2",
            "v0.162.0",
            "v0.163.0-rc1",
            "0.170.0",
            "latest",
            "v1",
            "v0.162.0-arm64",
        ];
        let tags = tags.map(str::to_owned);
        let found = |current: &str| newer(current, &tags).map(|newer| (newer.count, newer.latest));
        assert_eq!(found("v0.161.1"), Some((2, "v0.162.0".to_owned())));
        assert_eq!(found("v0.162.0"), None);
        assert_eq!(found("v0.9.1"), Some((3, "v0.162.0".to_owned())));
        assert_eq!(found("v0.161.0-arm64"), Some((1, "v0.162.0-arm64".to_owned())));
        for current in ["latest", "v1", "4f2a9c", "1.2", ""] {
            assert_eq!(found(current), None, "{current}");
        }
    }
}
