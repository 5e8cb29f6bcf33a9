//! The flags of an earlier run, read from its records as a hint. A record never becomes a setting, because everyone who may
//! edit a workload may edit it.

use std::collections::BTreeSet;

use crate::model::image::{Image, Mirror};
use crate::model::knowledge::Knowledge;
use crate::model::record::Records;
use crate::model::workload::Workload;
use crate::sync::settings::MirrorSettings;

/// Maximum number of maps in the hint.
const MAPS: usize = 3;

/// The hint to add flags that an earlier run used and this one does not. `known`: the mirrors of this run.
pub fn hint(
    workloads: &[Workload],
    knowledge: &Knowledge,
    settings: &MirrorSettings,
    known: &[Mirror],
) -> Option<String> {
    let (mut registries, mut maps) = (BTreeSet::new(), BTreeSet::new());
    // Elsewhere a tenant may have written the record.
    let trusted = workloads.iter().filter(|workload| knowledge.is_namespace(&workload.name.namespace));
    for (from, to) in trusted.flat_map(pairs) {
        let is_mapped = settings
            .maps
            .iter()
            .any(|map| map.private() == to.repository() || map.public() == from.repository());
        match mirror_of(&to, &from) {
            Some(mirror) if known.contains(&mirror) => {}
            // Without the cluster's account, the default mirror is not known yet.
            Some(mirror) if known.is_empty() && mirror.is_own() => {}
            Some(mirror) => {
                registries.insert(mirror);
            }
            None if is_mapped => {}
            None => {
                maps.insert(format!("--map {}={}", to.repository(), from.repository()));
            }
        }
    }
    let registries = registries.iter().map(|mirror| format!("--registry {mirror}"));
    let omitted = maps.len().saturating_sub(MAPS);
    let flags: Vec<_> = registries.chain(maps.into_iter().take(MAPS)).collect();
    if flags.is_empty() {
        return None;
    }
    let more = if omitted == 0 { String::new() } else { format!(" and {omitted} more --map") };
    let them = if flags.len() == 1 { "it" } else { "them" };
    Some(format!("hint: an earlier run used {}{more}: add {them} to use the same names", flags.join(" ")))
}

/// The recorded images, as source and private image.
fn pairs(workload: &Workload) -> Vec<(Image, Image)> {
    let parse = |text: &str| text.parse::<Image>().ok();
    let records = Records::read(&workload.annotations);
    let pairs = records.all().filter(|(image_field, _)| image_field.is_in_object());
    pairs.filter_map(|(_, record)| Some((parse(record.from.as_deref()?)?, parse(&record.to)?))).collect()
}

/// The registry in which `source` has the name `image` by the naming rule.
pub fn mirror_of(image: &Image, source: &Image) -> Option<Mirror> {
    image.repository().strip_suffix(source.repository())?.strip_suffix('/')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::inventory::{WorkloadKind, WorkloadName};
    use crate::model::record::ANNOTATION;

    fn workload(namespace: &str, from: &str, to: &str) -> Workload {
        Workload {
            name: WorkloadName {
                cluster: "c".to_owned(),
                namespace: namespace.to_owned(),
                kind: WorkloadKind::Deployment,
                name: "w".to_owned(),
            },
            labels: std::collections::BTreeMap::new(),
            annotations: [(
                ANNOTATION.to_owned(),
                json!({"container/a": {"from": from, "to": to}}).to_string(),
            )]
            .into(),
            controller: None,
            pod: serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": to}]}}))
                .unwrap(),
            has_ended: false,
            replicas: None,
            managers: Vec::new(),
        }
    }

    #[test]
    fn flags_of_an_earlier_run_are_offered_and_never_used() {
        let default = "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink";
        let known: Vec<Mirror> = vec![default.parse().unwrap()];
        let public = "ghcr.io/castai/x:v1";
        let (ours, other, flat) =
            (format!("{default}/{public}"), format!("o.example/team/{public}"), format!("{default}/flat:v1"));
        let map = format!(
            "hint: an earlier run used --map {default}/flat=ghcr.io/castai/x: add it to use the same names"
        );
        let registry =
            "hint: an earlier run used --registry o.example/team: add it to use the same names".to_owned();
        let agent = "castai-agent";
        let cases = [
            (agent, &ours, &known[..], None, None),
            (agent, &ours, &[], None, None),
            (agent, &other, &known, None, Some(&registry)),
            (agent, &other, &[], None, Some(&registry)),
            (agent, &flat, &known, None, Some(&map)),
            (agent, &flat, &known, Some(format!("{default}/flat=ghcr.io/castai/x")), None),
            // A tenant may write any record.
            ("shop", &other, &known, None, None),
        ];
        for (namespace, to, known, given, expected) in cases {
            let maps = given.iter().map(|map| map.parse().unwrap()).collect();
            let settings = MirrorSettings { maps, ..MirrorSettings::default() };
            let workloads = [workload(namespace, public, to)];
            let hint = hint(&workloads, &Knowledge::default(), &settings, known);
            assert_eq!(hint.as_ref(), expected, "{namespace} {to}");
        }
    }
}
