//! Workloads in kubectl's notation.

use std::fmt;

use crate::model::inventory::{WorkloadKind, WorkloadName};

/// A workload, or all workloads of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    kind: WorkloadKind,
    /// `None` for all.
    name: Option<String>,
}

impl Named {
    pub fn is(&self, workload: &WorkloadName) -> bool {
        self.kind == workload.kind && self.name.as_ref().is_none_or(|name| *name == workload.name)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{}/{name}", self.kind.resource()),
            None => formatter.write_str(self.kind.resource()),
        }
    }
}

/// The words name no workloads. The messages are kubectl's where it has some (cli-runtime
/// `pkg/resource/builder.go`).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNamed {
    #[error("unsupported resource type \"{0}\"")]
    Type(String),
    #[error("arguments in TYPE/NAME form may not have more than one slash: \"{0}\"")]
    Slashes(String),
    #[error(
        "there is no need to specify a resource type as a separate argument when passing arguments in \
         TYPE/NAME form: \"{0}\""
    )]
    Mixed(String),
    #[error("a name is missing in \"{0}\"")]
    NoName(String),
}

impl NotNamed {
    pub const fn hint(&self) -> &'static str {
        "expected TYPE NAME or TYPE/NAME such as deployment/castai-agent, with a type of deployment, daemonset, \
         statefulset, replicaset, replicationcontroller, cronjob or pod"
    }
}

/// The workloads that `words` name: `TYPE NAME…`, `TYPE/NAME…`, or `TYPE` for all, where a type may be a list such as
/// `deploy,ds`.
///
/// # Errors
/// A type is unsupported, or both notations are mixed.
pub fn parse(words: &[String]) -> Result<Vec<Named>, NotNamed> {
    let Some((first, rest)) = words.split_first() else { return Ok(Vec::new()) };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| type_and_name(word)).collect();
    }
    let types = first.split(',').map(kind).collect::<Result<Vec<_>, _>>()?;
    if let Some(empty) = rest.iter().find(|name| name.is_empty()) {
        return Err(NotNamed::NoName(empty.clone()));
    }
    if rest.is_empty() {
        return Ok(types.into_iter().map(|kind| Named { kind, name: None }).collect());
    }
    let pairs = rest.iter().flat_map(|name| types.iter().map(move |&kind| (kind, name)));
    Ok(pairs.map(|(kind, name)| Named { kind, name: Some(name.clone()) }).collect())
}

fn type_and_name(word: &str) -> Result<Named, NotNamed> {
    let (resource, name) = word.split_once('/').ok_or_else(|| NotNamed::Mixed(word.to_owned()))?;
    if name.contains('/') {
        return Err(NotNamed::Slashes(word.to_owned()));
    }
    let kind = kind(resource)?;
    if name.is_empty() {
        return Err(NotNamed::NoName(word.to_owned()));
    }
    Ok(Named { kind, name: Some(name.to_owned()) })
}

/// A kind by its name, plural or short name, with or without its group and version: `deploy`, `Deployments`,
/// `deployment.apps`, `deployments.v1.apps`.
fn kind(text: &str) -> Result<WorkloadKind, NotNamed> {
    let lower = text.to_lowercase();
    let (resource, group) = lower.split_once('.').map_or((lower.as_str(), None), |(resource, group)| {
        (resource, Some(group.strip_prefix("v1.").unwrap_or(group)))
    });
    let kind = match resource {
        "deploy" => Some(WorkloadKind::Deployment),
        "ds" => Some(WorkloadKind::DaemonSet),
        "sts" => Some(WorkloadKind::StatefulSet),
        "rs" => Some(WorkloadKind::ReplicaSet),
        "rc" => Some(WorkloadKind::ReplicationController),
        "cj" => Some(WorkloadKind::CronJob),
        "po" => Some(WorkloadKind::Pod),
        // Images of Jobs are never rewritten.
        "job" | "jobs" => None,
        resource => WorkloadKind::ALL.into_iter().find(|kind| {
            let own = kind.as_str().to_lowercase();
            resource.strip_suffix('s').unwrap_or(resource) == own
        }),
    };
    let own_group = |kind: WorkloadKind| kind.resource().split_once('.').map(|(_, group)| group);
    // kubectl writes the core group as `pods.v1.`.
    let is_own = |kind: &WorkloadKind| match group {
        None => true,
        Some("" | "v1") => own_group(*kind).is_none(),
        Some(_) => group == own_group(*kind),
    };
    kind.filter(is_own).ok_or_else(|| NotNamed::Type(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Vec<String>, NotNamed> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        parse(&words).map(|named| named.iter().map(Named::to_string).collect())
    }

    #[test]
    fn workloads_are_named_as_for_kubectl() {
        for (line, named) in [
            ("deployment/x", &["deployment.apps/x"][..]),
            ("deploy/x", &["deployment.apps/x"]),
            ("Deployments.apps/x", &["deployment.apps/x"]),
            ("deployments.v1.apps/x", &["deployment.apps/x"]),
            ("ds/x", &["daemonset.apps/x"]),
            ("statefulset.apps/x", &["statefulset.apps/x"]),
            ("cronjobs/x", &["cronjob.batch/x"]),
            ("pods/x", &["pod/x"]),
            ("pods.v1./x", &["pod/x"]),
            ("deploy x", &["deployment.apps/x"]),
            ("deploy x y", &["deployment.apps/x", "deployment.apps/y"]),
            ("deployments.apps x", &["deployment.apps/x"]),
            ("deploy/x ds/y", &["deployment.apps/x", "daemonset.apps/y"]),
            ("deploy,ds x", &["deployment.apps/x", "daemonset.apps/x"]),
            ("deploy", &["deployment.apps"]),
            (
                "sts,rs,rc,cj,po",
                &["statefulset.apps", "replicaset.apps", "replicationcontroller", "cronjob.batch", "pod"],
            ),
        ] {
            let named: Vec<_> = named.iter().map(|&named| named.to_owned()).collect();
            assert_eq!(parsed(line), Ok(named), "{line}");
        }
        assert_eq!(parse(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_workload_is_named() {
        let word = |text: &str| text.to_owned();
        for (line, error) in [
            ("castai-agent", NotNamed::Type(word("castai-agent"))),
            ("job/x", NotNamed::Type(word("job"))),
            ("service/x", NotNamed::Type(word("service"))),
            ("/x", NotNamed::Type(word(""))),
            ("deployment.batch/x", NotNamed::Type(word("deployment.batch"))),
            ("pod.apps/x", NotNamed::Type(word("pod.apps"))),
            ("deploy,service x", NotNamed::Type(word("service"))),
            ("deploy/a/b", NotNamed::Slashes(word("deploy/a/b"))),
            ("deployment/", NotNamed::NoName(word("deployment/"))),
            ("deploy sts/x", NotNamed::Mixed(word("deploy"))),
            ("deploy/x y", NotNamed::Mixed(word("y"))),
        ] {
            assert_eq!(parsed(line), Err(error), "{line}");
        }
    }
}
