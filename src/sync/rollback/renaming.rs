//! Whether an admission policy of ours would rename restored images in new pods, so that a rollback has no effect.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::policy::{admitted_images, is_installed};
use crate::cluster::{Connection, Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::model::admission_policy::{KYVERNO, MUTATING};
use crate::model::cluster_plan::Change;
use crate::sync::rewrite::{HeldBack, Rewrite};
use crate::sync::rollout::Decision;

/// The decisions, after policies were looked at.
pub(super) struct Checked {
    pub decisions: Vec<Decision>,
    /// What could not be looked at, if neither policies nor the images of a new pod could be read.
    pub unreadable: Vec<String>,
}

/// Holds back the workloads of `decisions` whose restored images admission would rename in new pods.
///
/// # Errors
/// The server cannot be reached.
pub(super) async fn hold_back(
    connection: &Connection,
    decisions: Vec<Decision>,
    observer: Observer<'_>,
) -> Result<Checked, Error> {
    let restored = restored(&decisions);
    let policies = if restored.is_empty() { Policies::default() } else { Policies::read(connection).await? };
    if policies.installed.is_empty() && policies.forbidden.is_empty() {
        return Ok(Checked { decisions, unreadable: Vec::new() });
    }
    let (mut renamed, mut is_unknown) = (BTreeMap::new(), false);
    for (namespace, images) in restored {
        let found = match renamed_images(connection, &namespace, &images).await {
            Some(found) => found,
            // A policy of ours is made for these images.
            None if !policies.installed.is_empty() => images,
            None => {
                is_unknown = true;
                BTreeSet::new()
            }
        };
        renamed.insert(namespace, found);
    }
    let mut unreadable = Vec::new();
    if is_unknown {
        policies.forbidden.iter().for_each(|(_, note)| observer(Event::Note(note.clone())));
        unreadable.push("cannot read admission policies".to_owned());
    }
    let why = policies.why_held_back();
    let judge = |mut decision: Decision| {
        let images = renamed.get(&decision.workload.name.namespace);
        let is_renamed = |change: &Change| {
            change.to.as_ref().is_some_and(|to| images.is_some_and(|images| images.contains(to)))
        };
        if let Rewrite::Patch(patch) = &decision.rewrite
            && patch.changes.iter().any(is_renamed)
        {
            decision.rewrite = Rewrite::HeldBack(HeldBack::Other(why.clone()));
        }
        decision
    };
    Ok(Checked { decisions: decisions.into_iter().map(judge).collect(), unreadable })
}

/// The images to restore, by namespace.
fn restored(decisions: &[Decision]) -> BTreeMap<String, BTreeSet<String>> {
    let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Decision { workload, rewrite } in decisions {
        let Rewrite::Patch(patch) = rewrite else { continue };
        for image in patch.changes.iter().filter_map(|change| change.to.clone()) {
            images.entry(workload.name.namespace.clone()).or_default().insert(image);
        }
    }
    images
}

/// Our policies in the cluster.
#[derive(Default)]
struct Policies {
    /// The objects of those that exist.
    installed: Vec<String>,
    /// The objects of those that may not be read, and what to know about it.
    forbidden: Vec<(Vec<String>, String)>,
}

impl Policies {
    async fn read(connection: &Connection) -> Result<Self, Error> {
        let mut policies = Self::default();
        for policy in [MUTATING, KYVERNO] {
            match is_installed(connection, &policy).await {
                Ok(true) => policies.installed.extend(policy.objects()),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Forbidden => {
                    let objects = policy.objects();
                    let note = format!(
                        "note: cannot read admission policies: {error}; if `values policy --apply` was used, first \
                         run: kubectl delete {}",
                        objects.join(" ")
                    );
                    policies.forbidden.push((objects, note));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(policies)
    }

    fn why_held_back(&self) -> String {
        let forbidden: Vec<_> = self.forbidden.iter().flat_map(|(objects, _)| objects.clone()).collect();
        let (cause, condition, objects) = match self.installed.first() {
            Some(first) => (first.as_str(), "", &self.installed),
            None => ("an admission policy", ", if it is the one of `values policy`", &forbidden),
        };
        format!(
            "its new pods would keep private images, because {cause} renames them; remove it first{condition}: \
             kubectl delete {}",
            objects.join(" ")
        )
    }
}

/// The ones of `images` that admission renames; `None` if it gives no answer.
async fn renamed_images(
    connection: &Connection,
    namespace: &str,
    images: &BTreeSet<String>,
) -> Option<BTreeSet<String>> {
    let written: Vec<_> = images.iter().map(String::as_str).collect();
    let admitted = admitted_images(connection, namespace, &written).await.ok()?;
    let pairs = images.iter().zip(admitted);
    Some(
        pairs
            .filter(|(image, admitted)| is_renamed(image, admitted))
            .map(|(image, _)| image.clone())
            .collect(),
    )
}

/// An added tag or digest is no other image.
fn is_renamed(image: &str, admitted: &str) -> bool {
    admitted.strip_prefix(image).is_none_or(|added| !added.is_empty() && !added.starts_with([':', '@']))
}

#[cfg(test)]
mod tests {
    use super::is_renamed;

    #[test]
    fn only_an_added_tag_or_digest_leaves_the_image() {
        for (admitted, expected) in [
            ("castai/x:v1", false),
            ("castai/x:v1@sha256:0", false),
            ("castai/x:v10", true),
            ("e.example/castai/x:v1", true),
        ] {
            assert_eq!(is_renamed("castai/x:v1", admitted), expected, "{admitted}");
        }
        assert!(!is_renamed("castai/x", "castai/x:latest"));
    }
}
