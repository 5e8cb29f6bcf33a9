//! Images that keep their names, because they have none in the mirror or because rewriting would not change them.

use crate::castai::derivation;
use crate::model::image::Image;
use crate::model::inventory::{Place, Use};
use crate::model::plan::PlannedUse;
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::rewrite_workload::derived_image::source_of;

/// An image without a name in the mirror, or one that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRenamed {
    pub image: Image,
    /// One of its places.
    pub place: Place,
    /// The number of further places.
    pub more: usize,
    /// A sentence, with the fix.
    pub why: String,
    /// It could be renamed, but its component would then not find its derived image.
    pub is_unrenamable: bool,
}

/// Removes those images from `assignments`, sorted by their names in the mirror.
pub fn remove(assignments: &mut Vec<Assignment>) -> Vec<NotRenamed> {
    let (mut not_renamed, mut derived) = (Vec::new(), Vec::new());
    for assigned in &*assignments {
        let why = match &assigned.source {
            ImageSource::Unknown(why) | ImageSource::InvalidName(why) => why,
            ImageSource::Known(_) => {
                derived.extend(missing_derived_images(assigned, assignments));
                continue;
            }
            ImageSource::Reachable(_) => continue,
        };
        let (made, own): (Vec<_>, Vec<_>) = assigned
            .used_by
            .iter()
            .map(|used| &used.used_by)
            .partition(|used_by| used_by.image_field.is_derived());
        derived.extend(made.into_iter().map(|used_by| (used_by.clone(), why.clone())));
        if let Some(first) = own.first() {
            not_renamed.push(NotRenamed {
                image: assigned.destination.clone(),
                place: first.place.clone(),
                more: own.len() - 1,
                why: why.clone(),
                is_unrenamable: false,
            });
        }
    }
    assignments.retain_mut(|assigned| {
        let ImageSource::Known(source) = &assigned.source else {
            return matches!(assigned.source, ImageSource::Reachable(_));
        };
        let why = |used: &PlannedUse| {
            derived.iter().find(|(derived, _)| used.used_by.contains_source_of(derived)).map(|(_, why)| why)
        };
        let affected: Vec<_> = assigned.used_by.iter().filter(|used| why(used).is_some()).collect();
        let Some((first, cause)) = affected.first().and_then(|first| Some((*first, why(first)?))) else {
            return true;
        };
        not_renamed.push(NotRenamed {
            image: source.clone(),
            place: first.used_by.place.clone(),
            more: affected.len() - 1,
            why: cause.clone(),
            is_unrenamable: true,
        });
        assigned.used_by.retain(|used| why(used).is_none());
        !assigned.used_by.is_empty()
    });
    not_renamed
}

/// The uses of `assigned` whose component would not find its derived image: in manifests, nothing sets the variable
/// that `sync-images` sets in the cluster.
fn missing_derived_images(assigned: &Assignment, assignments: &[Assignment]) -> Vec<(Use, String)> {
    let makers = assigned.used_by.iter().filter_map(|used| {
        let rule = used.used_by.image_field.derived().and_then(derivation::named)?;
        let own = &source_of(assignments, &used.used_by)?.destination;
        let finds = rule.derived_name(own).is_some_and(|image| image.is_same(&assigned.destination));
        let why = derivation::set_in_manifest(own, &rule.variable, &assigned.destination);
        (!finds).then(|| (used.used_by.clone(), why))
    });
    makers.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::image::Mirror;
    use crate::model::inventory::{WorkloadKind, WorkloadName};
    use crate::model::workload::Workload;
    use crate::sync::discover::{Found, ImageFilter, discover};
    use crate::sync::plan::assignment::assign;

    /// Assigns the images of one Deployment.
    fn assignments(mirror: &str, images: &[&str]) -> Vec<Assignment> {
        let containers: Vec<_> = images
            .iter()
            .enumerate()
            .map(|(index, image)| json!({"name": format!("c{index}"), "image": image}))
            .collect();
        let workload = Workload {
            name: WorkloadName {
                cluster: "demo".to_owned(),
                namespace: "castai-agent".to_owned(),
                kind: WorkloadKind::Deployment,
                name: "k".to_owned(),
            },
            labels: std::collections::BTreeMap::new(),
            annotations: std::collections::BTreeMap::new(),
            managers: Vec::new(),
            controller: None,
            pod: serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap(),
            has_ended: false,
            replicas: None,
        };
        let found = Found { workloads: &[workload], ..Found::default() };
        let inventory =
            discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
        let mirror: Mirror = mirror.parse().unwrap();
        assign(&inventory, &mirror, &[], Some("us-east-1"))
    }

    #[test]
    fn images_without_a_name_are_reported_and_removed() {
        const CONTROLLER: &str = "ghcr.io/castai/kvisor/kvisor-controller:v1";
        const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent:v1";
        const NEAR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:v1";
        const LOST: &str = "cannot find its scanners";
        // The mirror and the images.
        let cases: [(_, &[&str]); 4] = [
            ("e.example", &[AGENT, CONTROLLER, NEAR]),
            ("e.example", &[AGENT, "e.example/x:v1"]),
            ("e.example/my-controller", &[AGENT, CONTROLLER]),
            ("e.example/my-controller", &[CONTROLLER]),
        ];
        // The removed images, whether each is held back and why, and the number of remaining images.
        let expected = [
            (None, 4),
            (Some(("e.example/x:v1", false, "--map e.example/x=")), 1),
            (Some((CONTROLLER, true, LOST)), 2),
            (Some((CONTROLLER, true, LOST)), 1),
        ];
        for ((mirror, images), (expected, stay)) in cases.into_iter().zip(expected) {
            let mut assignments = assignments(mirror, images);
            let found = remove(&mut assignments);
            assert_eq!(assignments.len(), stay, "{mirror} {images:?}: {assignments:?}");
            assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
            for not_renamed in found {
                let (image, is_unrenamable, why) = expected.unwrap();
                assert_eq!(
                    (not_renamed.image.as_written(), not_renamed.is_unrenamable),
                    (image, is_unrenamable)
                );
                assert!(not_renamed.why.contains(why), "{}", not_renamed.why);
            }
        }
    }
}
