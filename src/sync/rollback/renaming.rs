//! Whether an admission policy of ours would rename restored images in new pods, so that a rollback has no effect.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::policy::{admitted_images, is_installed};
use crate::cluster::{Connection, Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::model::admission_policy::{KYVERNO, MUTATING};
use crate::model::cluster_plan::Change;
use crate::model::image::Image;
use crate::sync::rewrite_workload::{HeldBack, Rewrite};
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
            None if !policies.installed.is_empty() => images.into_keys().collect(),
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

/// The images to restore with the private ones, by namespace.
fn restored(decisions: &[Decision]) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut images: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for Decision { workload, rewrite } in decisions {
        let Rewrite::Patch(patch) = rewrite else { continue };
        for change in &patch.changes {
            let Some(image) = change.to.clone() else { continue };
            let namespace = images.entry(workload.name.namespace.clone()).or_default();
            namespace.entry(image).or_default().extend(change.from.clone());
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
            "new pods would keep private images, because {cause} renames them; remove it first{condition}: \
             kubectl delete {}",
            objects.join(" ")
        )
    }
}

/// The ones of `images` that new pods get as private images; `None` if admission gives no answer.
async fn renamed_images(
    connection: &Connection,
    namespace: &str,
    images: &BTreeMap<String, BTreeSet<String>>,
) -> Option<BTreeSet<String>> {
    let written: Vec<_> = images.keys().map(String::as_str).collect();
    let admitted = admitted_images(connection, namespace, &written).await.ok()?;
    let pairs = images.iter().zip(admitted);
    let kept = pairs.filter(|((_, private), admitted)| private.iter().any(|image| is_same(image, admitted)));
    Some(kept.map(|((image, _), _)| image.clone()).collect())
}

/// Whether admission gives pods an image of the same repository as the `private` one. Others rename images for their own
/// purposes, such as a pull-through cache.
fn is_same(private: &str, admitted: &str) -> bool {
    match (private.parse::<Image>(), admitted.parse::<Image>()) {
        (Ok(private), Ok(admitted)) => private.repository() == admitted.repository(),
        _ => private == admitted,
    }
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn only_the_repository_of_the_private_image_is_a_renaming_of_ours() {
        let private = "registry.example/mirror/castai/x:v1";
        for (admitted, expected) in [
            ("registry.example/mirror/castai/x:v1", true),
            ("registry.example/mirror/castai/x:v2", true),
            ("registry.example/mirror/castai/xy:v1", false),
            ("harbor.example/proxy/castai/x:v1", false),
            ("castai/x:v1", false),
            ("", false),
        ] {
            assert_eq!(is_same(private, admitted), expected, "{admitted}");
        }
    }
}
