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
use crate::sync::inventory::{Inventory, Use};
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
            let (destination, source) = assign_one(&wanted.image, used_by, mirror, maps, region);
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
    if let Some(map) = maps.iter().find(|map| map.public == image.repository()) {
        return match image.with_repository(&map.private) {
            Ok(destination) => (destination, Source::Known(image.clone())),
            Err(error) => (image.clone(), unnameable(error)),
        };
    }
    if mirror.holds(image) {
        return (image.clone(), read_back(image, used_by, mirror));
    }
    if let Some(why) = reachable(image, region) {
        return (image.clone(), Source::Reachable(why));
    }
    match mirror.name_of(image) {
        Ok(destination) => (destination, Source::Known(image.clone())),
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
