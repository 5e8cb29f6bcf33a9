//! Which source each wanted image has, and the name it gets in the mirror.
//!
//! A reference may point at the mirror already, after a rewrite or by a Helm value. It is then read backwards: by
//! `--map`, else by our annotation, else by the layout, and by layout only where the name read back is one that
//! Cast AI is known to use, because anybody can publish the others.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::castai::components;
use crate::image::ecr::EcrRegistry;
use crate::image::{Image, InvalidReference, Mirror};
use crate::sync::inventory::{Inventory, Reason, Use};
use crate::sync::plan::PlannedUse;

/// One destination reference, where it comes from, and the places that use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name in the mirror; the image itself where it is left alone or cannot have one.
    pub destination: Image,
    pub source: Source,
    pub used_by: Vec<PlannedUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Known(Image),
    /// It lies in the mirror, and nobody knows what was mirrored under that name; the text says what to add.
    Unknown(String),
    /// Nodes reach its registry anyway; the text says why.
    Reachable(String),
    /// It cannot have a name in the mirror; the text says why.
    Unnameable(String),
}

/// `--map PRIVATE=PUBLIC`: two repositories, of which the first is the name of the second in the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMap {
    private: String,
    public: String,
}

impl FromStr for NameMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usage = || format!("expected PRIVATE=PUBLIC, two repositories without tags, not {text:?}");
        let (private, public) = text.split_once('=').ok_or_else(usage)?;
        let repository = |name: &str| -> Result<String, String> {
            let image: Image = name.parse().map_err(|error: InvalidReference| error.to_string())?;
            if image.repository() == name { Ok(name.to_owned()) } else { Err(usage()) }
        };
        Ok(Self { private: repository(private)?, public: repository(public)? })
    }
}

/// Gives every wanted image its source and its name in `mirror`, in order of that name. `region` is the cluster's.
pub fn assign(
    inventory: &Inventory,
    mirror: &Mirror,
    maps: &[NameMap],
    region: Option<&str>,
) -> Vec<Assignment> {
    let mut assignments: BTreeMap<(Image, Option<Image>), Assignment> = BTreeMap::new();
    for wanted in &inventory.images {
        for used_by in &wanted.used_by {
            let assign_one = |image, used_by| assign_one(image, used_by, mirror, maps, region);
            let (destination, source) = match container_of(inventory, used_by) {
                Some((image, container)) => derive(&wanted.image, assign_one(image, container), maps),
                None => assign_one(&wanted.image, used_by),
            };
            let key = match &source {
                Source::Known(source) => Some(source.clone()),
                _ => None,
            };
            assignments
                .entry((destination.clone(), key))
                .or_insert_with(|| Assignment { destination, source, used_by: Vec::new() })
                .used_by
                .push(PlannedUse { image: wanted.image.clone(), used_by: used_by.clone() });
        }
    }
    assignments.into_values().collect()
}

/// The image and the place of the container that makes the image of `used_by` out of its own at run time.
fn container_of<'i>(inventory: &'i Inventory, used_by: &Use) -> Option<(&'i Image, &'i Use)> {
    let Reason::Derived { from } = &used_by.reason else {
        return None;
    };
    let wanted = inventory.images.iter().find(|wanted| &wanted.image == from)?;
    let container = wanted.used_by.iter().find(|container| container.contains_source_of(used_by))?;
    Some((&wanted.image, container))
}

/// The destination and source of a derived image follow its container's: the component looks beside that alone.
fn derive(image: &Image, (destination, source): (Image, Source), maps: &[NameMap]) -> (Image, Source) {
    let source = match source {
        Source::Reachable(_) | Source::Unnameable(_) => return (image.clone(), source),
        Source::Known(source) => components::scanners_image(&source).map(Source::Known),
        unknown @ Source::Unknown(_) => Ok(unknown),
    };
    let named = components::scanners_image(&destination).and_then(|destination| {
        let map = maps.iter().find(|map| map.private == destination.repository());
        let source = match map {
            Some(map) => destination.with_repository(&map.public).map_or_else(unnameable, Source::Known),
            None => source?,
        };
        Ok((destination, source))
    });
    named.unwrap_or_else(|why| (image.clone(), Source::Unnameable(why)))
}

fn assign_one(
    image: &Image,
    used_by: &Use,
    mirror: &Mirror,
    maps: &[NameMap],
    region: Option<&str>,
) -> (Image, Source) {
    if let Some(map) = maps.iter().find(|map| map.private == image.repository()) {
        return (image.clone(), image.with_repository(&map.public).map_or_else(unnameable, Source::Known));
    }
    if mirror.holds(image) && !maps.iter().any(|map| map.public == image.repository()) {
        return (image.clone(), read_back(image, used_by, mirror));
    }
    // What we mirrored to another registry is still the public image, wherever it lies now.
    let source = used_by.recorded_source.as_ref().unwrap_or(image);
    let map = maps.iter().find(|map| map.public == source.repository());
    if let (None, Some(why)) = (map, reachable(source, region)) {
        return (image.clone(), Source::Reachable(why));
    }
    let destination = match map {
        Some(map) => source.with_repository(&map.private),
        None => mirror.name_of(source),
    };
    match destination {
        Ok(destination) => (destination, Source::Known(source.clone())),
        Err(error) => (image.clone(), unnameable(error)),
    }
}

/// The source of an image that lies in the mirror already.
fn read_back(image: &Image, used_by: &Use, mirror: &Mirror) -> Source {
    if let Some(recorded) = &used_by.recorded_source {
        return Source::Known(recorded.clone());
    }
    match mirror.source_of(image).filter(components::knows) {
        Some(source) => Source::Known(source),
        None => Source::Unknown(format!(
            "what was mirrored as {image} is unknown: add --map {}=<public repository>",
            image.repository()
        )),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a chain of combinators")]
fn unnameable(error: InvalidReference) -> Source {
    Source::Unnameable(error.to_string())
}

/// Why nodes without internet reach this image's registry, if they do: any private ECR of the cluster's region is
/// behind the same `ecr.dkr` endpoint, EKS' own add-on registries included. `public.ecr.aws` is not one of them.
fn reachable(image: &Image, region: Option<&str>) -> Option<String> {
    let registry = EcrRegistry::of_host(image.host())?;
    if Some(registry.region.as_str()) != region {
        return None;
    }
    Some(format!("nodes reach private ECR registries of {}", registry.region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::inventory::{API_VERSION, Carrier, InventoryKind, Place, Reason, WantedImage};

    const ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

    fn image(text: &str) -> Image {
        text.replace("ECR", ECR).parse().unwrap()
    }

    fn inventory(images: &[(&str, Option<&str>)]) -> Inventory {
        Inventory {
            api_version: API_VERSION.to_owned(),
            kind: InventoryKind::Inventory,
            created: jiff::Timestamp::UNIX_EPOCH,
            clusters: Vec::new(),
            images: images
                .iter()
                .map(|(name, recorded)| WantedImage {
                    image: image(name),
                    used_by: vec![Use {
                        place: Place::File { path: "x.yaml".to_owned(), manifest: "Deployment/x".to_owned() },
                        carrier: Carrier::Container("x".to_owned()),
                        reason: Reason::File { path: "x.yaml".to_owned() },
                        recorded_source: recorded.map(image),
                        fixed: None,
                    }],
                })
                .collect(),
            notes: Vec::new(),
        }
    }

    /// Destination and source, or the first words of why there is none.
    fn outcome(name: &str, recorded: Option<&str>, mirror: &str, maps: &[&str]) -> (String, String) {
        let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("ECR", ECR).parse().unwrap()).collect();
        let mirror = mirror.replace("ECR", ECR).parse().unwrap();
        let assigned = assign(&inventory(&[(name, recorded)]), &mirror, &maps, Some("us-east-1"));
        let source = match &assigned[0].source {
            Source::Known(source) => source.to_string(),
            Source::Unknown(text) => format!("unknown: {text}"),
            Source::Reachable(_) => "reachable".to_owned(),
            Source::Unnameable(_) => "unnameable".to_owned(),
        };
        (assigned[0].destination.to_string().replace(ECR, "ECR"), source.replace(ECR, "ECR"))
    }

    /// Name, recorded source, mirror and maps; then the destination and the source that are expected.
    type Case<'c> = (&'c str, Option<&'c str>, &'c str, &'c [&'c str], &'c str, &'c str);

    #[test]
    fn names_are_read_both_ways() {
        let agent = "us-docker.pkg.dev/castai-hub/library/agent:v1";
        let mirrored = format!("ECR/{agent}");
        let cases: &[Case] = &[
            (agent, None, "ECR", &[], &mirrored, agent),
            (&mirrored, None, "ECR", &[], &mirrored, agent),
            (
                "castai/hibernate:v0.14",
                None,
                "ECR",
                &[],
                "ECR/castai/hibernate:v0.14",
                "castai/hibernate:v0.14",
            ),
            (
                "ECR/castai-agent:v1",
                None,
                "ECR",
                &["ECR/castai-agent=us-docker.pkg.dev/castai-hub/library/agent"],
                "ECR/castai-agent:v1",
                agent,
            ),
            (
                agent,
                None,
                "ECR",
                &["ECR/castai-agent=us-docker.pkg.dev/castai-hub/library/agent"],
                "ECR/castai-agent:v1",
                agent,
            ),
            ("ECR/busybox:1", Some("busybox:1"), "ECR", &[], "ECR/busybox:1", "busybox:1"),
            (
                "602401143452.dkr.ecr.us-east-1.amazonaws.com/amazon-k8s-cni:v1",
                None,
                "ECR",
                &[],
                "602401143452.dkr.ecr.us-east-1.amazonaws.com/amazon-k8s-cni:v1",
                "reachable",
            ),
            ("ECR/shop/web:1", None, "ECR/castai", &[], "ECR/shop/web:1", "reachable"),
            (
                "602401143452.dkr.ecr.eu-west-1.amazonaws.com/x:v1",
                None,
                "ECR",
                &[],
                "ECR/602401143452.dkr.ecr.eu-west-1.amazonaws.com/x:v1",
                "602401143452.dkr.ecr.eu-west-1.amazonaws.com/x:v1",
            ),
            ("public.ecr.aws/x/y:v1", None, "ECR", &[], "ECR/public.ecr.aws/x/y:v1", "public.ecr.aws/x/y:v1"),
            ("localhost:5000/x:1", None, "ECR", &[], "localhost:5000/x:1", "unnameable"),
        ];
        for (name, recorded, mirror, maps, destination, source) in cases {
            let (seen_destination, seen_source) = outcome(name, *recorded, mirror, maps);
            assert_eq!((seen_destination.as_str(), seen_source.as_str()), (*destination, *source), "{name}");
        }
    }

    #[test]
    fn what_we_mirrored_to_another_registry_is_still_the_public_image() {
        let agent = "us-docker.pkg.dev/castai-hub/library/agent:v1";
        let other = "210987654321.dkr.ecr.us-east-1.amazonaws.com";
        let cases: &[Case] = &[
            (
                "registry.corp.example/pfx/castai/hibernate:v1",
                Some("castai/hibernate:v1"),
                "ECR",
                &[],
                "ECR/castai/hibernate:v1",
                "castai/hibernate:v1",
            ),
            ("ECR/old/flat:v1", Some(agent), "ECR/new", &[], &format!("ECR/new/{agent}"), agent),
            (&format!("{other}/flat:v1"), Some(agent), "ECR", &[], &format!("ECR/{agent}"), agent),
            (&format!("{other}/flat:v1"), None, "ECR", &[], &format!("{other}/flat:v1"), "reachable"),
            (
                "registry.corp.example/agent:v1",
                Some(agent),
                "ECR",
                &["ECR/castai-agent=us-docker.pkg.dev/castai-hub/library/agent"],
                "ECR/castai-agent:v1",
                agent,
            ),
        ];
        for (name, recorded, mirror, maps, destination, source) in cases {
            let (seen_destination, seen_source) = outcome(name, *recorded, mirror, maps);
            assert_eq!((seen_destination.as_str(), seen_source.as_str()), (*destination, *source), "{name}");
        }
    }

    /// Destination and source, or why there is none, of the scanners beside `controller`.
    fn scanners(controller: &str, recorded: Option<&str>, mirror: &str, maps: &[&str]) -> (String, String) {
        let mut inventory = inventory(&[(controller, recorded)]);
        let container = inventory.images[0].used_by[0].clone();
        let from = inventory.images[0].image.clone();
        let (carrier, derived) =
            components::derived_image("x", &from, container.recorded_source.as_ref(), |_| false).unwrap();
        let reason = Reason::Derived { from };
        let used_by = Use { carrier, reason: reason.clone(), recorded_source: None, ..container };
        inventory.images.push(WantedImage { image: derived, used_by: vec![used_by] });
        let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("ECR", ECR).parse().unwrap()).collect();
        let mirror = mirror.replace("ECR", ECR).parse().unwrap();
        let assigned = assign(&inventory, &mirror, &maps, Some("us-east-1"));
        let derived = assigned
            .iter()
            .find(|assigned| assigned.used_by.iter().any(|used| used.used_by.reason == reason));
        let Assignment { destination, source, .. } = derived.unwrap();
        let source = match source {
            Source::Known(source) => source.to_string(),
            Source::Unknown(why) | Source::Reachable(why) | Source::Unnameable(why) => why.clone(),
        };
        (destination.to_string().replace(ECR, "ECR"), source.replace(ECR, "ECR"))
    }

    #[test]
    fn derived_images_lie_where_the_component_looks() {
        let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
        let public = "ghcr.io/castai/kvisor/kvisor-scanners:v1";
        let map = "ECR/kvisor-controller=ghcr.io/castai/kvisor/kvisor-controller";
        let pinned = format!("{controller}@{}", crate::image::Digest::of(b"x"));
        let layout = "ECR/ghcr.io/castai/kvisor/kvisor-controller:v1";
        let cases: &[Case] = &[
            (controller, None, "ECR", &[], "ECR/ghcr.io/castai/kvisor/kvisor-scanners:v1", public),
            (layout, None, "ECR", &[], "ECR/ghcr.io/castai/kvisor/kvisor-scanners:v1", public),
            (controller, None, "ECR", &[map], "ECR/kvisor-scanners:v1", public),
            ("ECR/kvisor-controller:v1", None, "ECR", &[map], "ECR/kvisor-scanners:v1", public),
            ("ECR/kvisor-controller:v1", Some(controller), "ECR", &[], "ECR/kvisor-scanners:v1", public),
            ("ECR/kv-controller:v1", Some(controller), "ECR", &[], "ECR/kv-scanners:v1", public),
            (
                controller,
                None,
                "ECR",
                &[map, "ECR/kvisor-scanners=ghcr.io/acme/kvisor-scanners"],
                "ECR/kvisor-scanners:v1",
                "ghcr.io/acme/kvisor-scanners:v1",
            ),
            (controller, None, "ECR/my-controller", &[], public, "choose a --registry path"),
            (
                controller,
                None,
                "ECR",
                &["ECR/kvisor=ghcr.io/castai/kvisor/kvisor-controller"],
                public,
                "choose a --map",
            ),
            (
                "ECR/kvisor-controller:v1",
                None,
                "ECR",
                &[],
                "ECR/kvisor-scanners:v1",
                "add --map ECR/kvisor-controller=",
            ),
            (
                &pinned,
                None,
                "ECR",
                &[],
                &pinned.replace("-controller", "-scanners"),
                "a digest in kvisor's controller",
            ),
        ];
        for (name, recorded, mirror, maps, destination, source) in cases {
            let (seen_destination, seen_source) = scanners(name, *recorded, mirror, maps);
            assert_eq!(seen_destination.as_str(), *destination, "{name} {maps:?}: {seen_source}");
            assert!(seen_source.contains(source), "{name} {maps:?}: {seen_source}");
        }
    }

    #[test]
    fn an_unknown_name_in_the_mirror_is_never_guessed() {
        for name in ["ECR/castai-agent:v1", "ECR/shop/web:1"] {
            let (_, source) = outcome(name, None, "ECR", &[]);
            let repository = name.rsplit_once(':').unwrap().0;
            assert!(source.contains(&format!("--map {repository}=<public repository>")), "{source}");
        }
    }

    #[test]
    fn the_same_image_written_in_two_ways_is_mirrored_once() {
        let mirrored = "ECR/us-docker.pkg.dev/castai-hub/library/agent:v1";
        let inventory =
            inventory(&[("us-docker.pkg.dev/castai-hub/library/agent:v1", None), (mirrored, None)]);
        let assigned = assign(&inventory, &ECR.parse().unwrap(), &[], Some("us-east-1"));
        assert_eq!(assigned.len(), 1);
        assert_eq!(assigned[0].used_by.len(), 2);
    }

    #[test]
    fn maps_name_repositories() {
        for text in ["a", "a=", "=b", "a:1=b", "a=b@x", "A=b"] {
            assert!(text.parse::<NameMap>().is_err(), "{text}");
        }
    }
}
