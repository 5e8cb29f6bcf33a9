use super::*;
use crate::castai::knowledge::Knowledge;
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
                source: None,
                image: image(name),
                used_by: vec![Use {
                    place: Place::File { path: "x.yaml".to_owned(), manifest: "Deployment/x".to_owned() },
                    carrier: Carrier::Container("x".to_owned()),
                    reason: Reason::File { path: "x.yaml".to_owned(), hook: false },
                    recorded_source: recorded.map(image),
                    fixed: None,
                }],
            })
            .collect(),
        notes: Vec::new(),
        unlisted: Vec::new(),
        knowledge: Knowledge::default(),
        explanation: None,
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
        ("castai/hibernate:v0.14", None, "ECR", &[], "ECR/castai/hibernate:v0.14", "castai/hibernate:v0.14"),
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
        components::derived_image("x", &from, container.recorded_source.as_ref(), None, |_| false).unwrap();
    let reason = Reason::Derived { from };
    let used_by = Use { carrier, reason: reason.clone(), recorded_source: None, ..container };
    inventory.images.push(WantedImage { image: derived, source: None, used_by: vec![used_by] });
    let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("ECR", ECR).parse().unwrap()).collect();
    let mirror = mirror.replace("ECR", ECR).parse().unwrap();
    let assigned = assign(&inventory, &mirror, &maps, Some("us-east-1"));
    let derived =
        assigned.iter().find(|assigned| assigned.used_by.iter().any(|used| used.used_by.reason == reason));
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
    let untagged = pinned.replace(":v1@", "@");
    let layout = "ECR/ghcr.io/castai/kvisor/kvisor-controller:v1";
    let layout_scanners = "ECR/ghcr.io/castai/kvisor/kvisor-scanners:v1";
    let unlike = "ECR/kvisor=ghcr.io/castai/kvisor/kvisor-controller";
    let named = "ECR/scan=ghcr.io/castai/kvisor/kvisor-scanners";
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
        // Kvisor has to be told of these.
        (
            controller,
            None,
            "ECR/my-controller",
            &[],
            "ECR/my-controller/ghcr.io/castai/kvisor/kvisor-scanners:v1",
            public,
        ),
        (controller, None, "ECR", &[unlike], layout_scanners, public),
        ("ECR/kvisor:v1", Some(controller), "ECR", &[], layout_scanners, public),
        ("ECR/kvisor:v1", Some(controller), "ECR", &[named], "ECR/scan:v1", public),
        (controller, None, "ECR", &[named], "ECR/scan:v1", public),
        (controller, None, "ECR", &[map, named], "ECR/scan:v1", public),
        (&pinned, None, "ECR", &[], layout_scanners, public),
        (&format!("ECR/{pinned}"), Some(&pinned), "ECR", &[], layout_scanners, public),
        (
            "ECR/kvisor-controller:v1",
            None,
            "ECR",
            &[],
            "ECR/kvisor-scanners:v1",
            "add --map ECR/kvisor-controller=",
        ),
        (
            &untagged,
            None,
            "ECR",
            &[],
            &untagged.replace("-controller", "-scanners"),
            "does not tell the tag of kvisor's scanners",
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
    let inventory = inventory(&[("us-docker.pkg.dev/castai-hub/library/agent:v1", None), (mirrored, None)]);
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

#[test]
fn a_mapped_name_has_a_tag_as_every_name_in_the_mirror_has() {
    let maps: [NameMap; 1] = ["e.example/own=castai/x".parse().unwrap()];
    for (public, private) in [
        ("castai/x", "e.example/own:latest"),
        ("castai/x:v1", "e.example/own:v1"),
        ("castai/y", "e.example/castai/y:latest"),
    ] {
        let name = name_in(&"e.example".parse().unwrap(), &maps, &public.parse().unwrap()).unwrap();
        assert_eq!(name.as_written(), private);
    }
}
