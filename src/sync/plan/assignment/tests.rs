use super::*;
use crate::model::inventory::{
    API_VERSION, ImageField, InventoryKind, Place, Reason, WantedImage, WorkloadKind, WorkloadName,
};
use crate::model::knowledge::Knowledge;

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
                provenance: None,
                image: image(name),
                used_by: vec![Use {
                    place: Place::File { path: "x.yaml".to_owned(), manifest: "Deployment/x".to_owned() },
                    image_field: ImageField::of_container("x"),
                    reason: Reason::File { path: "x.yaml".to_owned(), hook: false },
                    recorded_source: recorded.map(image),
                    not_rewritable: None,
                }],
            })
            .collect(),
        notes: Vec::new(),
        unlisted: Vec::new(),
        unreadable: Vec::new(),
        not_read: Vec::new(),
        knowledge: Knowledge::default(),
        explanation: None,
    }
}

/// Destination and source, or the first words of why there is none.
fn outcome(name: &str, recorded: Option<&str>, mirror: &str, maps: &[&str]) -> (String, String) {
    let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("ECR", ECR).parse().unwrap()).collect();
    let mirror = mirror.replace("ECR", ECR).parse().unwrap();
    words(&assign(&inventory(&[(name, recorded)]), &mirror, &maps, Some("us-east-1"))[0])
}

fn words(assigned: &Assignment) -> (String, String) {
    let source = match &assigned.source {
        ImageSource::Known(source) => source.to_string(),
        ImageSource::Unknown(text) => format!("unknown: {text}"),
        ImageSource::Reachable(_) => "reachable".to_owned(),
        ImageSource::InvalidName(_) => "invalidName".to_owned(),
    };
    (assigned.destination.to_string().replace(ECR, "ECR"), source.replace(ECR, "ECR"))
}

/// Name, recorded source, mirror and maps, with the expected destination and source.
type Case<'c> = (&'c str, Option<&'c str>, &'c str, &'c [&'c str], &'c str, &'c str);

#[test]
fn private_and_public_names_are_recognised() {
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
        ("localhost:5000/x:1", None, "ECR", &[], "localhost:5000/x:1", "invalidName"),
    ];
    for (name, recorded, mirror, maps, destination, source) in cases {
        let (seen_destination, seen_source) = outcome(name, *recorded, mirror, maps);
        assert_eq!((seen_destination.as_str(), seen_source.as_str()), (*destination, *source), "{name}");
    }
}

#[test]
fn an_image_mirrored_to_another_registry_keeps_its_public_source() {
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

/// Destination and source of the scanners next to `controller`, or why there is none.
fn scanners(controller: &str, recorded: Option<&str>, mirror: &str, maps: &[&str]) -> (String, String) {
    let mut inventory = inventory(&[(controller, recorded)]);
    let container = inventory.images[0].used_by[0].clone();
    let from = inventory.images[0].image.clone();
    let (rule, derived) =
        derivation::derive(&from, container.recorded_source.as_ref(), None, |_| false).unwrap();
    let image_field = ImageField::of_derived_image("x", &rule.name);
    let reason = Reason::Derived { from };
    let used_by = Use { image_field, reason: reason.clone(), recorded_source: None, ..container };
    inventory.images.push(WantedImage {
        image: derived,
        source: None,
        provenance: None,
        used_by: vec![used_by],
    });
    let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("ECR", ECR).parse().unwrap()).collect();
    let mirror = mirror.replace("ECR", ECR).parse().unwrap();
    let assigned = assign(&inventory, &mirror, &maps, Some("us-east-1"));
    let derived =
        assigned.iter().find(|assigned| assigned.used_by.iter().any(|used| used.used_by.reason == reason));
    let Assignment { destination, source, .. } = derived.unwrap();
    let source = match source {
        ImageSource::Known(source) => source.to_string(),
        ImageSource::Unknown(why) | ImageSource::Reachable(why) | ImageSource::InvalidName(why) => {
            why.clone()
        }
    };
    (destination.to_string().replace(ECR, "ECR"), source.replace(ECR, "ECR"))
}

#[test]
fn derived_images_are_where_the_component_looks() {
    let controller = "ghcr.io/castai/kvisor/kvisor-controller:v1";
    let public = "ghcr.io/castai/kvisor/kvisor-scanners:v1";
    let map = "ECR/kvisor-controller=ghcr.io/castai/kvisor/kvisor-controller";
    let pinned = format!("{controller}@{}", crate::model::image::Digest::compute(b"x"));
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
        ("ECR/kvisor-controller:v1", Some(controller), "ECR", &[map], "ECR/kvisor-scanners:v1", public),
        // A record alone maps nothing.
        (
            "ECR/kv-controller:v1",
            Some(controller),
            "ECR",
            &[],
            "ECR/kv-scanners:v1",
            "add --map ECR/kv-controller=ghcr.io/castai/kvisor/kvisor-controller",
        ),
        (
            controller,
            None,
            "ECR",
            &[map, "ECR/kvisor-scanners=ghcr.io/acme/kvisor-scanners"],
            "ECR/kvisor-scanners:v1",
            "ghcr.io/acme/kvisor-scanners:v1",
        ),
        // A variable has to name these for kvisor.
        (
            controller,
            None,
            "ECR/my-controller",
            &[],
            "ECR/my-controller/ghcr.io/castai/kvisor/kvisor-scanners:v1",
            public,
        ),
        (controller, None, "ECR", &[unlike], layout_scanners, public),
        ("ECR/kvisor:v1", Some(controller), "ECR", &[unlike], layout_scanners, public),
        ("ECR/kvisor:v1", Some(controller), "ECR", &[unlike, named], "ECR/scan:v1", public),
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
            "cannot derive the tag of kvisor's scanners",
        ),
    ];
    for (name, recorded, mirror, maps, destination, source) in cases {
        let (seen_destination, seen_source) = scanners(name, *recorded, mirror, maps);
        assert_eq!(seen_destination.as_str(), *destination, "{name} {maps:?}: {seen_source}");
        assert!(seen_source.contains(source), "{name} {maps:?}: {seen_source}");
    }
}

/// A workload's namespace, its image and its annotation, with the expected destination and source, or the first words
/// of why there is none.
type TenantCase<'c> = (&'c str, &'c str, Option<&'c str>, &'c str, &'c str);

#[test]
fn a_cluster_cannot_map_a_source_to_a_destination() {
    let agent = "us-docker.pkg.dev/castai-hub/library/agent:v1";
    let next = "ECR/own/us-docker.pkg.dev/castai-hub/library/agent:v9";
    let cases: &[TenantCase] = &[
        // A tenant declares the customer's own image to be a copy of another one, inside and outside our path.
        ("shop", "ECR/shop/web:1.0", Some("evil.example/web:1.0"), "ECR/shop/web:1.0", "reachable"),
        ("shop", "ECR/own/shop/web:1.0", Some("evil.example/web:1.0"), "ECR/own/shop/web:1.0", "unknown: "),
        ("shop", "ECR/own/shop/web:1.0", Some("shop/web:1.0"), "ECR/own/shop/web:1.0", "unknown: "),
        ("shop", "ECR/own/shop/web:1.0", Some(agent), "ECR/own/shop/web:1.0", "unknown: "),
        // A tenant prepares a tag that Cast AI will use later.
        ("shop", next, Some("evil.example/agent:v9"), next, &next["ECR/own/".len()..]),
        ("shop", "evil.example/x:v1", None, "evil.example/x:v1", "invalidName"),
        ("shop", "evil.example/x:v1", Some("evil.example/y:v1"), "evil.example/x:v1", "invalidName"),
        // A tenant may only select a known name.
        ("shop", "evil.example/x:v1", Some(agent), &format!("ECR/own/{agent}"), agent),
        ("shop", agent, None, &format!("ECR/own/{agent}"), agent),
        // In Cast AI's own namespaces names are trusted, but pairs are not.
        ("castai-agent", "evil.example/x:v1", None, "ECR/own/evil.example/x:v1", "evil.example/x:v1"),
        ("castai-agent", "ECR/own/busybox:1", Some("busybox:1"), "ECR/own/busybox:1", "busybox:1"),
        ("castai-agent", "ECR/own/busybox:1", Some("evil.example/b:1"), "ECR/own/busybox:1", "unknown: "),
        ("castai-agent", "ECR/own/busybox:1", None, "ECR/own/busybox:1", "unknown: "),
    ];
    for (namespace, name, recorded, destination, source) in cases {
        let mut inventory = inventory(&[(name, *recorded)]);
        inventory.images[0].used_by[0].place = Place::Workload(WorkloadName {
            cluster: "c".to_owned(),
            namespace: (*namespace).to_owned(),
            kind: WorkloadKind::Deployment,
            name: "w".to_owned(),
        });
        inventory.images[0].used_by[0].reason = Reason::Annotation;
        let mirror = format!("{ECR}/own").parse().unwrap();
        let assigned = assign(&inventory, &mirror, &[], Some("us-east-1"));
        let [assigned] = assigned.as_slice() else { panic!("{assigned:?}") };
        let (seen_destination, seen_source) = words(assigned);
        assert_eq!(seen_destination, *destination, "{namespace} {name} {recorded:?}");
        assert!(seen_source.starts_with(source), "{namespace} {name} {recorded:?}: {seen_source}");
    }
}

#[test]
fn every_use_of_a_name_is_evidence_for_it() {
    let mut inventory = inventory(&[("acme/jmx:v1", None)]);
    let mut injected = inventory.images[0].used_by[0].clone();
    injected.place = Place::Resource {
        cluster: "c".to_owned(),
        namespace: "shop".to_owned(),
        resource: "rollout.argoproj.io".to_owned(),
        name: "checkout".to_owned(),
    };
    inventory.images[0].used_by.push(injected);
    let assigned = assign(&inventory, &ECR.parse().unwrap(), &[], Some("us-east-1"));
    assert_eq!((assigned.len(), assigned[0].used_by.len()), (1, 2));
    assert_eq!(assigned[0].provenance, Some(Provenance::Given));
    inventory.images[0].used_by.remove(0);
    let assigned = assign(&inventory, &ECR.parse().unwrap(), &[], Some("us-east-1"));
    assert!(matches!(&assigned[0].source, ImageSource::InvalidName(why) if why.contains("--include-image")));
}

#[test]
fn a_destination_follows_from_its_source() {
    let digest = crate::model::image::Digest::compute(b"x");
    let (controller, scanners) =
        ("ghcr.io/castai/kvisor/kvisor-controller", "ghcr.io/castai/kvisor/kvisor-scanners");
    let map = format!("ECR/own/kv-controller={controller}");
    let cases: &[(&str, &str, &[&str], bool)] = &[
        ("castai/x:v1", "ECR/own/castai/x:v1", &[], true),
        ("castai/x", "ECR/own/castai/x:latest", &[], true),
        (&format!("castai/x:v1@{digest}"), &format!("ECR/own/castai/x:v1@{digest}"), &[], true),
        (&format!("castai/x:v1@{digest}"), "ECR/own/castai/x:v1", &[], false),
        ("castai/x:v1", "ECR/own/castai/x:v2", &[], false),
        ("castai/x:v1", "ECR/own/castai/y:v1", &[], false),
        ("castai/x:v1", "ECR/castai/x:v1", &[], false),
        ("castai/x:v1", "ECR/own/own/castai/x:v1", &[], false),
        ("castai/x:v1", "evil.example/own/castai/x:v1", &[], false),
        ("castai/x:v1", "ECR/own/flat:v1", &["ECR/own/flat=castai/x"], true),
        ("castai/x:v1", "ECR/own/flat:v2", &["ECR/own/flat=castai/x"], false),
        ("castai/y:v1", "ECR/own/flat:v1", &["ECR/own/flat=castai/x"], false),
        ("castai/x:v1", "ECR/flat:v1", &["ECR/flat=castai/x"], false),
        (&format!("{scanners}:v1"), "ECR/own/kv-scanners:v1", &[&map], true),
        (&format!("{scanners}:v1"), "ECR/own/kv-scanners:v1", &[], false),
        (&format!("{scanners}:v1"), &format!("ECR/own/{scanners}:v1"), &[&map], true),
    ];
    for (source, destination, maps, expected) in cases {
        let maps: Vec<NameMap> = maps.iter().map(|map| map.replace("ECR", ECR).parse().unwrap()).collect();
        let mirror = format!("{ECR}/own").parse().unwrap();
        let seen = follows(&mirror, &maps, &image(source), &image(destination));
        assert_eq!(seen, *expected, "{source} {destination} {maps:?}");
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
fn two_spellings_of_one_image_are_mirrored_once() {
    let mirrored = "ECR/us-docker.pkg.dev/castai-hub/library/agent:v1";
    let inventory = inventory(&[("us-docker.pkg.dev/castai-hub/library/agent:v1", None), (mirrored, None)]);
    let assigned = assign(&inventory, &ECR.parse().unwrap(), &[], Some("us-east-1"));
    assert_eq!(assigned.len(), 1);
    assert_eq!(assigned[0].used_by.len(), 2);
}

#[test]
fn a_mapped_name_gets_an_explicit_tag() {
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
