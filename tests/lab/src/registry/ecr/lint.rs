//! ECR's validation of a manifest's JSON, whose failures are 405 "Invalid JSON syntax".
//!
//! AWS does not document these rules, so they are collected from reports of users: a field that ECR's schema
//! does not have, in an object that it validates.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;

/// Which rules apply: none of them is verified with today's ECR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// All reported ones, before ECR looks for what the manifest names.
    #[default]
    Strict,
    /// All reported ones, after that.
    StrictAfterBlobs,
    None,
}

/// The rules that apply now.
#[derive(Default)]
pub struct CurrentRules(Mutex<Rules>);

impl CurrentRules {
    pub fn get(&self) -> Rules {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, rules: Rules) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}

/// Why ECR would reject the manifest, or nothing. Each case names the report that it comes from.
pub fn objection(manifest: &Value) -> Option<String> {
    if let Some(layers) = manifest["layers"].as_array()
        && layers.is_empty()
    {
        // werf#2544
        return Some("a manifest needs at least 1 layer".into());
    }
    let config = &manifest["config"];
    for member in ["annotations", "platform"] {
        // goharbor/acceleration-service#353, regclient#709
        if config.get(member).is_some() {
            return Some(format!("the config descriptor has `{member}`"));
        }
    }
    let listed = ["layers", "manifests"].into_iter().filter_map(|list| manifest[list].as_array()).flatten();
    for descriptor in listed.chain([config, &manifest["subject"]]) {
        // aws/containers-roadmap#2023: so attestations and signatures in the artifact form are rejected as well.
        if descriptor.get("data").is_some() {
            return Some("a descriptor has inline `data`".into());
        }
        // aws/containers-roadmap#2439
        if descriptor["platform"].get("features").is_some() {
            return Some("a platform has `features`".into());
        }
        // sigstore/sigstore-js#1058
        if descriptor["mediaType"].as_str().is_some_and(|media_type| media_type.contains(';')) {
            return Some("a media type has parameters".into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_reported_case_is_rejected_and_a_plain_manifest_is_accepted() {
        let plain = json!({"config": {"mediaType": "c", "digest": "d"}, "layers": [{"mediaType": "l"}]});
        let changed = |pointer: &str, member: &str, value: Value| {
            let mut manifest = plain.clone();
            manifest.pointer_mut(pointer).unwrap()[member] = value;
            manifest
        };
        assert_eq!(objection(&plain), None);
        assert_eq!(objection(&json!({"manifests": [{"platform": {"os": "linux"}}]})), None);
        let refused = [
            changed("", "layers", json!([])),
            changed("/config", "annotations", json!({})),
            changed("/config", "platform", json!({"os": "linux"})),
            changed("/config", "data", json!("e30=")),
            changed("/layers/0", "data", json!("e30=")),
            changed("/layers/0", "mediaType", json!("text/plain; charset=utf-8")),
            json!({"manifests": [{"platform": {"features": ["sse4"]}}]}),
            json!({"manifests": [{"data": "e30="}]}),
        ];
        for manifest in refused {
            assert!(objection(&manifest).is_some(), "{manifest}");
        }
    }
}
