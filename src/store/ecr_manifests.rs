//! Manifests that ECR is reported to refuse with 405 "Invalid JSON syntax".

use serde_json::Value;

/// What ECR may refuse in this manifest, if anything. Reported by users, some years ago, so that it may not hold any
/// more: config annotations (goharbor/acceleration-service#353), inline `data` (aws/containers-roadmap#2023,
/// moby/buildkit#5747), `platform.features` (aws/containers-roadmap#2439), media types with parameters
/// (sigstore/sigstore-js#1058), no layers (werf/werf#2544), empty blobs (devcontainers/cli#814).
pub fn may_be_refused(manifest: &[u8]) -> Option<String> {
    // Invalid JSON is reported where the manifest is parsed.
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    if let Some(config) = member(&manifest, "config") {
        if member(config, "annotations").is_some() {
            return Some("`config.annotations` is set".to_owned());
        }
        if manifest.get("layers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Some("it has no layers".to_owned());
        }
    }
    let listed = ["manifests", "layers"].into_iter().flat_map(|field| {
        let entries = manifest.get(field).and_then(Value::as_array);
        let entries = entries.into_iter().flatten().enumerate();
        entries.map(move |(index, entry)| (format!("{field}[{index}]"), entry))
    });
    let config = member(&manifest, "config").map(|config| ("config".to_owned(), config));
    listed.chain(config).find_map(|(place, descriptor)| {
        if member(descriptor, "data").is_some() {
            return Some(format!("`{place}.data` is set"));
        }
        if member(descriptor, "platform").is_some_and(|platform| member(platform, "features").is_some()) {
            return Some(format!("`{place}.platform.features` is set"));
        }
        let media_type = descriptor.get("mediaType").and_then(Value::as_str);
        if media_type.is_some_and(|media_type| media_type.contains(';')) {
            return Some(format!("`{place}.mediaType` has parameters"));
        }
        if descriptor.get("size").and_then(Value::as_u64) == Some(0) {
            return Some(format!("`{place}` is empty"));
        }
        None
    })
}

/// A member of an object. Go writes what is absent as null.
fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_ecr_may_refuse_are_named() {
        let layer = r#"{"mediaType":"a","size":1}"#;
        let cases = [
            (format!(r#"{{"config":{{"annotations":{{}}}},"layers":[{layer}]}}"#), "`config.annotations`"),
            (format!(r#"{{"config":{{"data":"e30="}},"layers":[{layer}]}}"#), "`config.data`"),
            (r#"{"config":{},"layers":[]}"#.to_owned(), "no layers"),
            (
                r#"{"manifests":[{},{"platform":{"features":["x"]}}]}"#.to_owned(),
                "`manifests[1].platform.features`",
            ),
            (r#"{"config":{},"layers":[{"mediaType":"a;b=c"}]}"#.to_owned(), "`layers[0].mediaType`"),
            (r#"{"config":{},"layers":[{"mediaType":"a","size":0}]}"#.to_owned(), "`layers[0]` is empty"),
        ];
        for (manifest, expected) in cases {
            let doubt = may_be_refused(manifest.as_bytes()).unwrap();
            assert!(doubt.contains(expected), "{doubt}");
        }
        for manifest in [
            format!(r#"{{"config":{{"mediaType":"c","size":2}},"layers":[{layer}],"annotations":{{}}}}"#),
            format!(
                r#"{{"config":{{"size":2,"data":null,"annotations":null}},"layers":[{layer}],"manifests":null}}"#
            ),
            r#"{"config":null,"layers":null,"manifests":[{"data":null,"platform":{"features":null}},
                {"platform":null}]}"#
                .to_owned(),
            r#"{"manifests":[{"annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}"#
                .to_owned(),
        ] {
            assert_eq!(may_be_refused(manifest.as_bytes()), None, "{manifest}");
        }
    }
}
