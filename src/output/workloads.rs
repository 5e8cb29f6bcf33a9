//! Renders workloads and other places of images, with their outcome.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::model::inventory::{Place, WorkloadKind, WorkloadName};
use crate::output::say;
use crate::output::table::count;
use crate::sync::rewrite_workload::HeldBack;
use crate::sync::rollout::{Outcome, WorkloadReport};

/// Words that differ between a change and its rollback.
#[derive(Clone, Copy)]
pub(super) struct WorkloadWords {
    restored: &'static str,
    not_rewritable: &'static str,
    job: &'static str,
}

impl WorkloadWords {
    pub(super) const SYNC: Self = Self {
        restored: "was restored to its original images:",
        not_rewritable: "not rewritable:",
        job: ": delete and recreate it with the private image if it still has to run; if it is a Helm hook, \
              `helm upgrade` recreates it with the image in the values",
    };
    pub(super) const ROLLBACK: Self = Self {
        restored: "was restored to its private images:",
        not_rewritable: "cannot be rolled back:",
        job: ": delete and recreate it with the original image if it still has to run; if it is a Helm hook, \
              `helm upgrade` recreates it with the image in the values",
    };

    /// What to do about a workload that was not changed.
    pub(super) const fn next(self, place: &Place) -> &'static str {
        match place {
            Place::Workload(WorkloadName { kind, .. }) => self.next_of(*kind),
            _ => "",
        }
    }

    const fn next_of(self, kind: WorkloadKind) -> &'static str {
        match kind {
            WorkloadKind::Job => self.job,
            _ => "",
        }
    }
}

/// Prints problems and notes of workloads to stderr, one line each. Workloads that are held back for the same cause
/// share one.
pub(super) fn workload_problems(workloads: &[WorkloadReport], words: WorkloadWords) {
    let forbidden = forbidden(workloads);
    for line in held_back(workloads).into_iter().chain(not_started(workloads)).chain(forbidden.clone()) {
        say(&line);
    }
    let WorkloadWords { restored, not_rewritable, .. } = words;
    for workload in workloads {
        let name = format!("{} in namespace {}", workload.workload, workload.workload.namespace);
        match &workload.outcome {
            Outcome::Failed(why) if !forbidden.is_empty() && is_forbidden(why) => {}
            Outcome::Failed(why) | Outcome::RolloutFailed(why) => say(&format!("error: {name}: {why}")),
            Outcome::Restored(why) => say(&format!("error: {name} {restored} {why}")),
            Outcome::NotRewritable(why) => {
                let kind = if workload.needs_attention() { "error" } else { "note" };
                say(&format!(
                    "{kind}: {name} {not_rewritable} {why}{}",
                    words.next_of(workload.workload.kind)
                ));
            }
            Outcome::HeldBack(_)
            | Outcome::NotStarted
            | Outcome::Updated
            | Outcome::Unchanged
            | Outcome::Planned
            | Outcome::DryRunOk => {}
        }
        let message = match &workload.outcome {
            Outcome::Failed(why) | Outcome::RolloutFailed(why) | Outcome::Restored(why) => why.as_str(),
            _ => "",
        };
        for problem in &workload.problems {
            // The message that decided the outcome was printed above; its log still follows.
            if !message.contains(&problem.message) || !message.contains(&problem.pod) {
                let container =
                    problem.container.as_ref().map(|name| format!(" container {name}")).unwrap_or_default();
                let text = format!("{}: {}", problem.reason, problem.message);
                say(&format!("  {name}: pod {}{container}: {text}", problem.pod));
            }
            problem.log.iter().for_each(|line| say(&format!("    {line}")));
        }
    }
}

/// Whether RBAC denies the change to the user, and not admission (Kubernetes `apiserver/pkg/endpoints/handlers/responsewriters/
/// errors.go`, `forbiddenMessage`).
fn is_forbidden(why: &str) -> bool {
    why.starts_with("Error from server (Forbidden)") && why.contains("User \"") && why.contains("\" cannot ")
}

/// One line for all changes that the user may not make, with what helps; empty if there is none.
fn forbidden(workloads: &[WorkloadReport]) -> Vec<String> {
    let denied = workloads.iter().filter_map(|report| match &report.outcome {
        Outcome::Failed(why) if is_forbidden(why) => Some((&report.workload, why)),
        _ => None,
    });
    let (names, causes): (Vec<_>, Vec<_>) = denied.unzip();
    let Some(first) = causes.first() else { return Vec::new() };
    let error = match &names[..] {
        [name] => format!("error: {name} in namespace {}: {first}", name.namespace),
        names => not_updated(names, first),
    };
    let hint =
        "hint: an administrator applies the role that `kubectl castai-privatelink permissions rbac` prints";
    vec![error, hint.to_owned()]
}

/// One line for each cause.
fn held_back(workloads: &[WorkloadReport]) -> Vec<String> {
    let mut causes: Vec<(HeldBack, Vec<&WorkloadName>)> = Vec::new();
    for report in workloads {
        let Outcome::HeldBack(why) = &report.outcome else { continue };
        match causes.iter_mut().find_map(|(cause, names)| cause.join(why).then_some(names)) {
            Some(names) => names.push(&report.workload),
            None => causes.push((why.clone(), vec![&report.workload])),
        }
    }
    causes.iter().map(|(why, names)| not_updated(names, why)).collect()
}

/// One line for all workloads that the run did not come to.
fn not_started(workloads: &[WorkloadReport]) -> Option<String> {
    let names = workloads.iter().filter(|report| report.outcome == Outcome::NotStarted);
    let names: Vec<_> = names.map(|report| &report.workload).collect();
    let why = "the run stopped after an earlier failure; fix it and run again";
    (!names.is_empty()).then(|| not_updated(&names, &why))
}

fn not_updated(names: &[&WorkloadName], why: &dyn Display) -> String {
    if let [name] = names {
        return format!("error: {name} in namespace {} not updated: {why}", name.namespace);
    }
    let namespaces: BTreeSet<_> = names.iter().map(|name| name.namespace.as_str()).collect();
    let of = if namespaces.len() == 1 { "namespace" } else { "namespaces" };
    let namespaces = namespaces.into_iter().collect::<Vec<_>>().join(", ");
    let workloads = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let number = count(names.len(), "workload");
    // The cause comes last: it may end with a command to copy.
    format!("error: {number} in {of} {namespaces} not updated ({workloads}): {why}")
}

/// A place within a sentence: `deployment.apps/castai-agent in namespace castai-agent`.
pub fn described(of: &Place) -> String {
    match place(of) {
        (namespace, what) if namespace == "-" => what,
        (namespace, what) => format!("{what} in namespace {namespace}"),
    }
}

pub(super) fn place(place: &Place) -> (String, String) {
    match place {
        Place::Workload(workload) => (workload.namespace.clone(), workload.to_string()),
        Place::File { path, manifest } if path == "-" => ("-".to_owned(), manifest.clone()),
        Place::File { path, manifest } => ("-".to_owned(), format!("{manifest} in {path}")),
        Place::Resource { namespace, resource, name, .. } => {
            let namespace = if namespace.is_empty() { "-" } else { namespace };
            (namespace.to_owned(), format!("{resource}/{name}"))
        }
        Place::Release { namespace, release, manifest, hook, .. } => {
            let part = if *hook { "hook of Helm release" } else { "in Helm release" };
            (namespace.clone(), format!("{manifest} {part} {release}"))
        }
        Place::Named => ("-".to_owned(), "-".to_owned()),
    }
}

#[cfg(test)]
mod tests;
