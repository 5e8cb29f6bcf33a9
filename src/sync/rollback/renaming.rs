//! Whether an admission policy of ours would rename restored images in new pods, so that a rollback has no effect.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::policy::{admitted_images, is_installed};
use crate::cluster::{Connection, Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::model::admission_policy::{AdmissionPolicy, KYVERNO, MUTATING};
use crate::model::cluster_plan::Change;
use crate::sync::rewrite::Rewrite;
use crate::sync::rollout::Decision;

/// Holds back the workloads of `decisions` whose restored images our policies would rename in new pods.
///
/// # Errors
/// The server cannot be reached.
pub(super) async fn hold_back(
    connection: &Connection,
    decisions: Vec<Decision>,
    observer: Observer<'_>,
) -> Result<Vec<Decision>, Error> {
    let restored = restored(&decisions);
    if restored.is_empty() {
        return Ok(decisions);
    }
    let mut objects = Vec::new();
    for policy in [MUTATING, KYVERNO] {
        if is_present(connection, &policy, observer).await? {
            objects.extend(policy.objects());
        }
    }
    if objects.is_empty() {
        return Ok(decisions);
    }
    let mut renamed = BTreeMap::new();
    for (namespace, images) in restored {
        renamed.insert(namespace.clone(), renamed_images(connection, &namespace, images).await);
    }
    let why = format!(
        "its new pods would keep private images, because {} renames them; remove it first: kubectl delete {}",
        objects.first().map_or("", String::as_str),
        objects.join(" ")
    );
    let judge = |mut decision: Decision| {
        let images = renamed.get(&decision.workload.name.namespace);
        let is_renamed = |change: &Change| {
            change.to.as_ref().is_some_and(|to| images.is_some_and(|images| images.contains(to)))
        };
        if let Rewrite::Patch(patch) = &decision.rewrite
            && patch.changes.iter().any(is_renamed)
        {
            decision.rewrite = Rewrite::HeldBack(why.clone());
        }
        decision
    };
    Ok(decisions.into_iter().map(judge).collect())
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

/// A policy that cannot be read shows after the rollout, in the images of new pods.
async fn is_present(
    connection: &Connection,
    policy: &AdmissionPolicy,
    observer: Observer<'_>,
) -> Result<bool, Error> {
    match is_installed(connection, policy).await {
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            let objects = policy.objects().join(" ");
            observer(Event::Note(format!(
                "note: cannot read admission policies: {error}; if `values policy --apply` was used, first \
                 run: kubectl delete {objects}"
            )));
            Ok(false)
        }
        result => result,
    }
}

/// The ones of `images` that admission renames. Without an answer, all count, because our policy is made for them.
async fn renamed_images(
    connection: &Connection,
    namespace: &str,
    images: BTreeSet<String>,
) -> BTreeSet<String> {
    let written: Vec<_> = images.iter().map(String::as_str).collect();
    match admitted_images(connection, namespace, &written).await {
        Ok(admitted) => {
            let pairs = images.into_iter().zip(admitted);
            pairs.filter(|(image, admitted)| is_renamed(image, admitted)).map(|(image, _)| image).collect()
        }
        Err(_) => images,
    }
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
