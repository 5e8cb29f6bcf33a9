//! How to make pods run what their tag names by now. Each command is complete, so that it can be copied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::model::inventory::{Place, WorkloadKind, WorkloadName};
use crate::output::workloads::described;
use crate::printable::word;
use crate::sync::status::OlderDigest;

/// What to do about pods that run an older digest: hints, each followed by its commands.
pub(super) fn restart_hints(older: &[OlderDigest]) -> Vec<String> {
    let (mut restarted, mut patched, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for older in older {
        match &older.place {
            Place::Workload(name) if can_restart(name.kind) => {
                let fields: &mut Vec<_> = match older.image_pull_policy.as_str() {
                    "Always" => restarted.entry(name).or_default(),
                    _ => patched.entry(name).or_default(),
                };
                fields.push(older);
            }
            place => {
                others.insert(described(place));
            }
        }
    }
    // A patch of the template restarts the pods, too.
    restarted.retain(|name, _| !patched.contains_key(name));
    let mut lines = Vec::new();
    if !restarted.is_empty() {
        lines.push("hint: pods keep the image that they were started with; restart them:".to_owned());
        lines.extend(restarts(restarted.keys().copied()));
    }
    if let Some(older) = patched.values().flatten().next() {
        lines.push(format!(
            "hint: with imagePullPolicy {}, a node does not pull a tag again that it has, so that a restart may not \
             help; set Always, which also restarts the pods, or use a new tag or a digest:",
            word(&older.image_pull_policy, "IfNotPresent")
        ));
        lines.extend(patched.iter().map(|(name, older)| patch(name, older)));
    }
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "hint: pods of {others} keep the image that they were started with until they are deleted and created again"
        ));
    }
    lines
}

/// Whether `kubectl rollout restart` supports the kind.
const fn can_restart(kind: WorkloadKind) -> bool {
    matches!(kind, WorkloadKind::Deployment | WorkloadKind::DaemonSet | WorkloadKind::StatefulSet)
}

/// One command for each namespace.
fn restarts<'n>(workloads: impl Iterator<Item = &'n WorkloadName>) -> Vec<String> {
    let mut namespaces: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in workloads {
        namespaces.entry(word(&name.namespace, "NAMESPACE")).or_default().push(argument(name));
    }
    let command = |(namespace, workloads): (&str, Vec<String>)| {
        format!("  kubectl rollout restart -n {namespace} {}", workloads.join(" "))
    };
    namespaces.into_iter().map(command).collect()
}

/// The command that makes the containers pull at each start.
fn patch(name: &WorkloadName, older: &[&OlderDigest]) -> String {
    let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for field in older.iter().map(|older| &older.image_field).collect::<BTreeSet<_>>() {
        let (Some(list), Some(container)) = (field.list(), field.container()) else { continue };
        let container = json!({"name": word(container, "CONTAINER"), "imagePullPolicy": "Always"});
        lists.entry(list).or_default().push(container);
    }
    let patch = json!({"spec": {"template": {"spec": lists}}});
    format!("  kubectl patch -n {} {} -p '{patch}'", word(&name.namespace, "NAMESPACE"), argument(name))
}

fn argument(name: &WorkloadName) -> String {
    format!("{}/{}", name.kind.resource(), word(&name.name, "NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image_field::ImageField;

    fn older(namespace: &str, kind: WorkloadKind, name: &str, container: &str, policy: &str) -> OlderDigest {
        OlderDigest {
            place: Place::Workload(WorkloadName {
                cluster: "c".to_owned(),
                namespace: namespace.to_owned(),
                kind,
                name: name.to_owned(),
            }),
            image_field: ImageField::of_container(container),
            image: "e.example/x:v1".parse().unwrap(),
            running: "sha256:1".to_owned(),
            current: "sha256:2".to_owned(),
            image_pull_policy: policy.to_owned(),
            pods: vec!["p".to_owned()],
        }
    }

    #[test]
    fn commands_are_complete_and_restart_what_the_registry_has() {
        use WorkloadKind::{CronJob, DaemonSet, Deployment};
        let pods_keep = "hint: pods keep the image that they were started with; restart them:";
        assert!(restart_hints(&[]).is_empty());
        let always = [
            older("a", Deployment, "x", "m", "Always"),
            older("b", Deployment, "x", "m", "Always"),
            older("a", DaemonSet, "y", "m", "Always"),
            older("a", CronJob, "z", "m", "Always"),
        ];
        assert_eq!(
            restart_hints(&always),
            [
                pods_keep,
                "  kubectl rollout restart -n a deployment.apps/x daemonset.apps/y",
                "  kubectl rollout restart -n b deployment.apps/x",
                "hint: pods of cronjob.batch/z in namespace a keep the image that they were started with until they \
                 are deleted and created again",
            ]
        );
        // One command is enough for a workload.
        let cached = [
            older("a", Deployment, "x", "m", "Always"),
            older("a", Deployment, "x", "n", "IfNotPresent"),
            older("a", Deployment, "x", "o", "IfNotPresent"),
        ];
        let lines = restart_hints(&cached);
        assert!(lines[0].starts_with("hint: with imagePullPolicy IfNotPresent, "), "{lines:?}");
        assert_eq!(
            lines[1..],
            [
                r#"  kubectl patch -n a deployment.apps/x -p '{"spec":{"template":{"spec":{"containers":[{"imagePullPolicy":"Always","name":"n"},{"imagePullPolicy":"Always","name":"o"}]}}}}'"#
            ]
        );
    }

    #[test]
    fn names_from_a_cluster_do_not_become_commands() {
        for policy in ["Always", "Never'; reboot"] {
            let lines =
                restart_hints(&[older("a; reboot", WorkloadKind::Deployment, "$(reboot)", "'", policy)]);
            assert!(lines.iter().all(|line| !line.contains("reboot")), "{lines:?}");
        }
    }
}
