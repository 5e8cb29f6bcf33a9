//! Renders what `values helm` says beside its documents.

use std::collections::BTreeSet;

use crate::error::CommandError;
use crate::output::{say, warning};
use crate::persist::helm::ReleaseValues;
use crate::persist::helm::component::Component;
use crate::printable::word;

/// Warns about what the values do not cover.
pub fn not_covered<'v>(decided: impl Iterator<Item = &'v ReleaseValues>) {
    for values in decided {
        let name = format!("Helm release {} in namespace {}", values.release.name, values.release.namespace);
        for gap in &values.gaps {
            let policy = if gap.is_for_policy {
                "; `values policy` can rename it when its pod is created"
            } else {
                ""
            };
            warning(&format!("{name}: {}{policy}", gap.why));
        }
        for note in &values.notes {
            warning(&format!("{name}: {note}"));
        }
    }
}

/// Says what the patches of an operator's components require.
pub fn components(components: &[Component]) {
    let mut notes = BTreeSet::new();
    for Component { resource, patch, is_readonly } in components {
        let name = format!(
            "{}/{} in namespace {}",
            resource.definition.singular(),
            resource.name,
            resource.namespace
        );
        if patch.is_none() {
            warning(&format!(
                "{name} has no Helm release yet that would show its images: run this again once its operator has \
                 installed it"
            ));
            continue;
        }
        notes.extend(resource.definition.on_change.as_ref());
        if *is_readonly {
            warning(&format!(
                "{name} is readonly, so its patch would be rejected: use `values policy` until its owner changes that"
            ));
        }
    }
    for note in notes {
        say(&format!("note: {note}"));
    }
}

/// Why there is nothing to print values for. Releases that are `not_stored` in the cluster have a warning.
pub fn no_release(not_stored: &[(String, String)], is_forbidden: bool) -> CommandError {
    let message = match not_stored {
        [] => "error: no Helm release of Cast AI found",
        _ => "error: no Helm release of Cast AI can be read",
    };
    let hint = match (not_stored, is_forbidden) {
        ([], false) => WITHOUT_RELEASE.to_owned(),
        ([], true) => {
            "Helm stores releases in Secrets, which must be listable: grant the role of `kubectl castai-privatelink \
             permissions rbac` and run again; or use `values policy`"
                .to_owned()
        }
        _ => format!("{}; without Helm use `values kustomize`", read_by_helm(not_stored)),
    };
    CommandError::not_found(message, hint)
}

/// How to get the values of releases that have only a warning.
pub fn not_stored(releases: &[(String, String)]) {
    if !releases.is_empty() {
        say(&format!("hint: {}", read_by_helm(releases)));
    }
}

/// How to get the values of releases, given by namespace and name, that only Helm can read. Its manifest does not contain
/// its hooks (helm `cmd/helm/get_hooks.go`).
fn read_by_helm(releases: &[(String, String)]) -> String {
    let arguments = releases
        .iter()
        .map(|(namespace, name)| format!("{} -n {}", word(name, "RELEASE"), word(namespace, "NAMESPACE")));
    let commands = arguments.map(|of| format!("helm get manifest {of}; helm get hooks {of}"));
    format!(
        "Helm can read them: ({}) | kubectl castai-privatelink values helm -f -; or rename the images of new pods with \
         `kubectl castai-privatelink values policy`",
        commands.collect::<Vec<_>>().join("; ")
    )
}

const WITHOUT_RELEASE: &str = concat!(
    "before the installation, run `helm template … | kubectl castai-privatelink values helm -f -`; with Argo CD, see ",
    env!("CARGO_PKG_REPOSITORY"),
    "/blob/main/docs/persist.md; without Helm, run `kubectl castai-privatelink values kustomize`",
);
