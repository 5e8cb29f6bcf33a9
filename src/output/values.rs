//! Renders what `values helm` says beside its documents.

use std::collections::BTreeSet;

use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::output::causes::{Cause, Causes};
use crate::output::{say, warning};
use crate::persist::helm::ReleaseValues;
use crate::persist::helm::component::Component;
use crate::persist::verified::NotLookedUp;
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

/// Why images could not be looked up in `mirror`, one line for each cause.
pub fn not_looked_up(mirror: &Mirror, unknown: &[NotLookedUp]) -> Vec<String> {
    let mut causes = Causes::new();
    for (index, NotLookedUp { image, cause }) in unknown.iter().enumerate() {
        causes.add(cause, image, index);
    }
    let line = |Cause { message, items, .. }: &Cause<'_, usize>| {
        let images = items.iter().filter_map(|index| unknown[*index].image.as_ref());
        let below = format!("{mirror}/");
        let names = images.map(|image| image.as_written().strip_prefix(&below).unwrap_or(image.as_written()));
        let names: Vec<_> = names.collect();
        let names = if names.is_empty() { "the images".to_owned() } else { names.join(", ") };
        format!("cannot check whether {mirror} has {names}: {message}")
    };
    causes.all().iter().map(line).collect()
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
        _ => format!("without Helm use `values kustomize`; {BY_HELM}"),
    };
    let commands = if not_stored.is_empty() { Vec::new() } else { vec![read_by_helm(not_stored)] };
    CommandError { commands, ..CommandError::not_found(message, hint) }
}

/// How to get the values of releases that have only a warning.
pub fn not_stored(releases: &[(String, String)]) {
    if !releases.is_empty() {
        say(&format!("hint: {BY_HELM}"));
        say(&format!("  {}", read_by_helm(releases)));
    }
}

const BY_HELM: &str = "rename the images of new pods with `kubectl castai-privatelink values policy`, or let Helm read the \
                       releases:";

/// The command that gets the values of releases, given by namespace and name, that only Helm can read. Its manifest does
/// not contain its hooks (helm `cmd/helm/get_hooks.go`).
fn read_by_helm(releases: &[(String, String)]) -> String {
    const VALUES: &str = "kubectl castai-privatelink values helm -f -";
    let plain: Vec<_> = releases
        .iter()
        .map(|(namespace, name)| (word(namespace, "NAMESPACE"), word(name, "RELEASE")))
        .collect();
    if let [(namespace, name)] = plain[..] {
        let of = format!("{name} -n {namespace}");
        return format!("(helm get manifest {of}; helm get hooks {of}) | {VALUES}");
    }
    let names: Vec<_> = plain.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let of = "\"${r#*/}\" -n \"${r%/*}\"";
    format!("for r in {}; do helm get manifest {of}; helm get hooks {of}; done | {VALUES}", names.join(" "))
}

const WITHOUT_RELEASE: &str = concat!(
    "before the installation, run `helm template … | kubectl castai-privatelink values helm -f -`; with Argo CD, see ",
    env!("CARGO_PKG_REPOSITORY"),
    "/blob/main/docs/persist.md; without Helm, run `kubectl castai-privatelink values kustomize`",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_cannot_be_looked_up_for_one_cause_are_one_warning() {
        let mirror: Mirror = "e.example/pfx".parse().unwrap();
        let of = |name: &str| NotLookedUp {
            image: Some(format!("e.example/pfx/{name}").parse().unwrap()),
            cause: format!("not authorized to perform ecr:ListImages on repository/pfx/{}", &name[..1]),
        };
        assert_eq!(
            not_looked_up(&mirror, &[of("a:v1"), of("b:v2")]),
            [
                "cannot check whether e.example/pfx has a:v1, b:v2: not authorized to perform ecr:ListImages on \
                 repository/…"
            ]
        );
        let all = NotLookedUp { image: None, cause: "expired".to_owned() };
        assert_eq!(
            not_looked_up(&mirror, &[all]),
            ["cannot check whether e.example/pfx has the images: expired"]
        );
    }

    #[test]
    fn the_command_for_many_releases_is_a_loop() {
        let release = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        let one = [release("n", "a")];
        assert_eq!(
            read_by_helm(&one),
            "(helm get manifest a -n n; helm get hooks a -n n) | kubectl castai-privatelink values helm -f -"
        );
        let several = [release("n", "a"), release("m", "b; reboot")];
        assert_eq!(
            read_by_helm(&several),
            "for r in n/a m/RELEASE; do helm get manifest \"${r#*/}\" -n \"${r%/*}\"; helm get hooks \"${r#*/}\" -n \
             \"${r%/*}\"; done | kubectl castai-privatelink values helm -f -"
        );
        for (releases, commands) in [(&one[..], 1), (&[], 0)] {
            assert_eq!(no_release(releases, false).commands.len(), commands);
        }
    }
}
