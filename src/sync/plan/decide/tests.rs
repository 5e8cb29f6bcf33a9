mod conflicts;

use super::*;
use crate::model::inventory::{ImageField, Place, Reason, Use};
use crate::model::plan::{Blob, PlannedUse};
use crate::model::provenance::Provenance;
use crate::sync::plan::assignment::Assignment;
use crate::sync::plan::wanted_images::wanted_images;

const ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

fn image(text: &str) -> Image {
    text.replace("ECR", ECR).parse().unwrap()
}

fn digest(text: &str) -> Digest {
    Digest::compute(text.as_bytes())
}

fn used(name: &str) -> PlannedUse {
    let path = "x.yaml".to_owned();
    PlannedUse {
        image: image(name),
        used_by: Use {
            place: Place::File { path: path.clone(), manifest: "Deployment/x".to_owned() },
            image_field: ImageField::of_container("x"),
            reason: Reason::File { path, hook: false },
            recorded_source: None,
            not_rewritable: None,
        },
    }
}

/// An assignment with a known source, used as `written`.
fn known(source: &str, destination: &str, written: &str) -> Assignment {
    Assignment {
        destination: image(destination),
        source: ImageSource::Known(image(source)),
        provenance: Some(Provenance::Known),
        used_by: vec![used(written)],
    }
}

fn manifest(name: &str, blobs: &[(&str, u64)]) -> Manifest {
    let blob = |(name, size): &(&str, u64)| Blob { digest: digest(name), size: *size };
    Manifest {
        digest: digest(name),
        media_type: "m".to_owned(),
        size: 10,
        blobs: blobs.iter().map(blob).collect(),
        present: false,
        is_attestation: false,
        may_be_refused: None,
    }
}

/// An image with the index `name`, which references one manifest with these blobs.
#[expect(clippy::unnecessary_wraps, reason = "used in tables with failed responses")]
fn resolved(name: &str, blobs: &[(&str, u64)]) -> Result<Content, String> {
    let child = format!("{name}-child");
    Ok(Content {
        digest: digest(name),
        media_type: "i".to_owned(),
        platforms: vec!["linux/amd64".to_owned()],
        size: 20,
        manifests: vec![manifest(&child, blobs), manifest(name, &[])],
        without_attestations: None,
    })
}

fn listing(tags: &[(&str, &str)], digests: &[&str]) -> Listing {
    Listing {
        tags: tags.iter().map(|(tag, name)| ((*tag).to_owned(), digest(name))).collect(),
        digests: tags.iter().map(|(_, name)| *name).chain(digests.iter().copied()).map(digest).collect(),
    }
}

fn facts(
    repositories: &[(&str, Option<Listing>)],
    sources: &[(&str, Result<Content, String>)],
) -> DestinationFacts {
    DestinationFacts {
        registry: RegistryKind::Ecr { account: "123456789012".to_owned(), region: "us-east-1".to_owned() },
        repositories: repositories
            .iter()
            .map(|(path, listing)| ((*path).to_owned(), Ok(listing.clone())))
            .collect(),
        sources: sources.iter().map(|(name, resolved)| (image(name), resolved.clone())).collect(),
        removals: BTreeMap::new(),
        reduced: BTreeMap::new(),
        present_blobs: BTreeSet::new(),
        mounting: false,
        contents: BTreeMap::new(),
        damaged: BTreeSet::new(),
        node_platforms: BTreeSet::new(),
        movable: MovableTags::All,
    }
}

fn planned(assignments: Vec<Assignment>, facts: &DestinationFacts) -> DestinationPlan {
    decided(assignments, facts).plan
}

fn decided(assignments: Vec<Assignment>, facts: &DestinationFacts) -> Decided {
    decide(&ECR.parse().unwrap(), wanted_images(assignments), facts)
}

/// The repositories of uploads, by the size of the blob.
fn repositories(uploads: &[Upload]) -> Vec<(u64, Vec<&str>)> {
    uploads
        .iter()
        .map(|upload| (upload.blob.size, upload.to.iter().map(|to| to.repository.as_str()).collect()))
        .collect()
}

/// The first step as text.
fn outcome(plan: &DestinationPlan) -> String {
    match &plan.images[0].step {
        Step::UpToDate { .. } => "up to date".to_owned(),
        Step::Copy { .. } => "copy".to_owned(),
        Step::Replace { .. } => "replace".to_owned(),
        Step::Skip { reason: why } => format!("leave alone: {why}"),
        Step::Failed { error } => format!("failed: {error}"),
    }
}

#[test]
fn each_step_follows_from_the_content_of_source_and_destination() {
    let there = || Some(listing(&[("v1", "one")], &[]));
    let gone = || Err("ghcr.io cannot be reached".to_owned());
    let (source, mirrored) = ("ghcr.io/a/b:v1", "ECR/a/b:v1");
    let cases = [
        (source, None, resolved("one", &[]), "copy"),
        (source, Some(Listing::default()), resolved("one", &[]), "copy"),
        (source, there(), resolved("one", &[]), "up to date"),
        (source, there(), resolved("two", &[]), "replace"),
        (source, there(), gone(), "failed: ghcr.io cannot be reached"),
        (mirrored, there(), gone(), "up to date"),
        (mirrored, None, gone(), "failed: ghcr.io cannot be reached"),
        (mirrored, there(), resolved("two", &[]), "replace"),
    ];
    for (written, held, source, expected) in cases {
        let unreached = source.is_err();
        let facts = facts(&[("a/b", held)], &[("ghcr.io/a/b:v1", source)]);
        let plan = planned(vec![known("ghcr.io/a/b:v1", mirrored, written)], &facts);
        assert_eq!(outcome(&plan), expected, "{written}");
        let says_so = plan.images[0].not_compared.is_some();
        assert_eq!(says_so, unreached && expected == "up to date", "{written}");
    }
}

#[test]
fn a_removed_tag_keeps_its_copy_if_everything_uses_it() {
    let (source, mirrored) = ("ghcr.io/a/b:v1", "ECR/a/b:v1");
    let gone = || Err("manifest v1 not found".to_owned());
    for (written, held, expected, is_removed) in [
        (mirrored, Some(listing(&[("v1", "one")], &[])), "up to date", true),
        (source, Some(listing(&[("v1", "one")], &[])), "failed: manifest v1 not found", false),
        (mirrored, None, "failed: manifest v1 not found", false),
    ] {
        let mut facts = facts(&[("a/b", held)], &[(source, gone())]);
        facts.removals.insert(image(source), "tag v1 was removed".to_owned());
        let plan = planned(vec![known(source, mirrored, written)], &facts);
        assert_eq!(outcome(&plan), expected, "{written}");
        assert_eq!(plan.images[0].tag_removed, is_removed, "{written}");
        let cause = is_removed.then_some("tag v1 was removed");
        assert_eq!(plan.images[0].not_compared.as_deref(), cause, "{written}");
    }
}

#[test]
fn a_pinned_digest_has_its_own_tag_and_moves_no_other() {
    let one = digest("one");
    let own = format!("digest-{}", one.short());
    for version in [format!(":v1@{one}"), format!("@{one}")] {
        let (source, destination) = (format!("ghcr.io/a/b{version}"), format!("ECR/a/b{version}"));
        let cases = [
            (listing(&[(&own, "one")], &[]), "up to date"),
            (listing(&[(&own, "one"), ("v1", "two")], &[]), "up to date"),
            (listing(&[], &["one"]), "copy"),
            // The tag next to it belongs to another reference.
            (listing(&[("v1", "one")], &[]), "copy"),
            (listing(&[("v1", "two")], &[]), "copy"),
        ];
        for (held, expected) in cases {
            let facts = facts(&[("a/b", Some(held.clone()))], &[(&source, resolved("one", &[]))]);
            let plan = planned(vec![known(&source, &destination, &source)], &facts);
            assert_eq!(outcome(&plan), expected, "{version} {held:?}");
        }
        let there = facts(&[("a/b", Some(listing(&[(&own, "one")], &[])))], &[]);
        let plan = planned(vec![known(&source, &destination, &source)], &there);
        assert_eq!(outcome(&plan), "up to date", "the source is not needed");
    }
}

#[test]
fn a_tag_that_collides_with_the_tag_of_a_pinned_digest_is_rejected() {
    let own = format!("digest-{}", digest("one").short());
    let (pinned, named) = (format!("ghcr.io/a/b@{}", digest("one")), format!("ghcr.io/a/b:{own}"));
    let decided = |content: &str| {
        let sources = [(pinned.as_str(), resolved("one", &[])), (named.as_str(), resolved(content, &[]))];
        let private = |name: &str| name.replace("ghcr.io", "ECR");
        let both = vec![
            known(&pinned, &private(&pinned), &pinned),
            known(&named, &private(&named), &named),
            known("ghcr.io/a/b:v1", "ECR/a/b:v1", "ghcr.io/a/b:v1"),
        ];
        let other = ("ghcr.io/a/b:v1", resolved("one", &[]));
        let plan = planned(both, &facts(&[("a/b", None)], &[&sources[..], &[other]].concat()));
        plan.images.iter().filter(|image| image.step.content().is_some()).count()
    };
    assert_eq!((decided("one"), decided("two")), (3, 1));
}

#[test]
fn in_a_shared_registry_a_tag_moves_only_with_replace() {
    let held = || Some(listing(&[("v1", "one")], &[]));
    let decided = |movable: &[&str], source: &str| {
        let mut facts = facts(&[("a/b", held())], &[("ghcr.io/a/b:v1", resolved(source, &[]))]);
        facts.movable = MovableTags::Of(movable.iter().map(|path| (*path).to_owned()).collect());
        outcome(&planned(vec![known("ghcr.io/a/b:v1", "ECR/a/b:v1", "ghcr.io/a/b:v1")], &facts))
    };
    assert_eq!(decided(&[], "one"), "up to date");
    assert_eq!(decided(&["a/b"], "two"), "replace");
    let refused = decided(&["a", "a/bc"], "two");
    for part in ["failed: ", digest("one").as_str(), digest("two").as_str(), "--replace a/b "] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn a_damaged_image_is_copied_again_and_moves_no_foreign_tag() {
    let decided = |source: &str, movable| {
        let mut facts = facts(
            &[("a/b", Some(listing(&[("v1", "one")], &[])))],
            &[("ghcr.io/a/b:v1", resolved(source, &[]))],
        );
        facts.damaged.insert(("a/b".to_owned(), digest("one")));
        facts.movable = movable;
        outcome(&planned(vec![known("ghcr.io/a/b:v1", "ECR/a/b:v1", "ghcr.io/a/b:v1")], &facts))
    };
    let none = || MovableTags::Of(BTreeSet::new());
    assert_eq!(decided("one", none()), "copy", "the same content again");
    assert!(decided("two", none()).contains("--replace a/b "));
    assert_eq!(decided("two", MovableTags::All), "replace");
}

#[test]
fn a_present_pinned_digest_needs_no_source() {
    let pinned = format!("ECR/a/b:v1@{}", digest("one"));
    let held = || Some(listing(&[("v2", "one")], &[]));
    let unknown = Assignment {
        destination: image(&pinned),
        source: ImageSource::Unknown("add --map x".to_owned()),
        provenance: None,
        used_by: vec![used(&pinned)],
    };
    let plan = planned(vec![unknown], &facts(&[("a/b", held())], &[]));
    assert_eq!(outcome(&plan), "leave alone: add --map x");
    let source = format!("ghcr.io/a/b:v1@{}", digest("one"));
    let gone = facts(&[("a/b", held())], &[(&source, Err("gone".to_owned()))]);
    assert_eq!(outcome(&planned(vec![known(&source, &pinned, &pinned)], &gone)), "up to date");
}

#[test]
fn an_image_without_a_source_is_never_copied() {
    let assignment = |source| Assignment {
        destination: image("ECR/a/b:v1"),
        source,
        provenance: None,
        used_by: vec![used("ECR/a/b:v1")],
    };
    let there = || Some(listing(&[("v1", "one")], &[]));
    let unknown = || ImageSource::Unknown("add --map x".to_owned());
    let cases = [
        (unknown(), there(), "leave alone: add --map x"),
        (unknown(), None, "failed: not found in the registry, and add --map x"),
        (ImageSource::Reachable("near".to_owned()), None, "leave alone: near"),
        (ImageSource::InvalidName("odd".to_owned()), None, "failed: odd"),
    ];
    for (source, held, expected) in cases {
        let Decided { plan, uploads } = decided(vec![assignment(source)], &facts(&[("a/b", held)], &[]));
        assert_eq!(outcome(&plan), expected);
        assert_eq!((uploads.len(), plan.create_repositories.len()), (0, 0));
    }
}

#[test]
fn faults_fail_the_image_and_nothing_else() {
    let refused = Err("the source does not answer".to_owned());
    let mut facts = facts(
        &[("a/b", None), ("c/d", None)],
        &[("ghcr.io/a/b:v1", refused), ("ghcr.io/c/d:v1", resolved("two", &[("layer", 5)]))],
    );
    facts.repositories.insert("e/f".to_owned(), Err("AWS denies ecr:ListImages".to_owned()));
    let Decided { plan, uploads } = decided(
        vec![
            known("ghcr.io/a/b:v1", "ECR/a/b:v1", "ghcr.io/a/b:v1"),
            known("ghcr.io/c/d:v1", "ECR/c/d:v1", "ghcr.io/c/d:v1"),
            known("ghcr.io/e/f:v1", "ECR/e/f:v1", "ghcr.io/e/f:v1"),
            known("ghcr.io/g__h:v1", "ECR/g__h:v1", "ghcr.io/g__h:v1"),
        ],
        &facts,
    );
    let failed: Vec<bool> =
        plan.images.iter().map(|image| matches!(image.step, Step::Failed { .. })).collect();
    assert_eq!(failed, [true, false, true, true]);
    assert_eq!(plan.create_repositories, ["c/d"]);
    assert_eq!(repositories(&uploads)[0].1, ["c/d"]);
}

#[test]
fn each_blob_is_uploaded_once_per_repository_that_lacks_it_largest_first() {
    let blobs: &[(&str, u64)] = &[("small", 5), ("large", 100)];
    let mut facts = facts(
        &[("a", Some(listing(&[], &["three-child"]))), ("b", None)],
        &[
            ("ghcr.io/a:v1", resolved("one", blobs)),
            ("ghcr.io/a:v2", resolved("two", &[("small", 5), ("here", 9)])),
            ("ghcr.io/a:v3", resolved("three", &[("elsewhere", 7)])),
            ("ghcr.io/b:v1", resolved("four", blobs)),
        ],
    );
    facts.present_blobs.insert(("a".to_owned(), digest("here")));
    let assignments = || {
        ["a:v1", "a:v2", "a:v3", "b:v1"]
            .map(|name| {
                let source = format!("ghcr.io/{name}");
                known(&source, &format!("ECR/{name}"), &source)
            })
            .to_vec()
    };
    // Names with one letter are invalid at ECR.
    facts.registry = RegistryKind::Oci;
    let Decided { plan, uploads } = decided(assignments(), &facts);
    assert_eq!(repositories(&uploads), [(100, vec!["a", "b"]), (5, vec!["a", "b"])]);
    assert_eq!(plan.create_repositories, ["b"]);
    // One creation, two requests for each of four pairs, and seven manifests: one of eight is present.
    let estimate = plan.estimate;
    assert_eq!(estimate.destination_requests, 1 + 8 + 7);
    assert_eq!((estimate.source_requests, estimate.download_bytes, estimate.upload_bytes), (2, 105, 210));

    facts.mounting = true;
    let estimate = planned(assignments(), &facts).estimate;
    assert_eq!(estimate.destination_requests, 1 + 2 * 2 + 2 + 7);
    assert_eq!((estimate.source_requests, estimate.download_bytes, estimate.upload_bytes), (2, 105, 105));
}

#[test]
fn a_tag_and_a_pinned_digest_of_its_former_content_are_both_mirrored() {
    let pinned = format!("ghcr.io/a/b:v1@{}", digest("old"));
    let mirrored = format!("ECR/a/b:v1@{}", digest("old"));
    let wanted =
        vec![known("ghcr.io/a/b:v1", "ECR/a/b:v1", "ghcr.io/a/b:v1"), known(&pinned, &mirrored, &pinned)];
    let sources = [("ghcr.io/a/b:v1", resolved("new", &[])), (pinned.as_str(), resolved("old", &[]))];
    let plan = planned(wanted, &facts(&[], &sources));
    assert!(plan.images.iter().all(|image| matches!(image.step, Step::Copy { .. })), "{:?}", plan.images);
}

#[test]
fn images_that_nodes_cannot_run_are_named() {
    let assigned = || vec![known("ghcr.io/a/b:v1", "ECR/a/b:v1", "ghcr.io/a/b:v1")];
    let note = |image: &[&str], nodes: &[&str]| {
        let owned =
            |platforms: &[&str]| platforms.iter().map(|platform| (*platform).to_owned()).collect::<Vec<_>>();
        let mut source = resolved("one", &[]).unwrap();
        source.platforms = owned(image);
        let mut facts = facts(&[], &[("ghcr.io/a/b:v1", Ok(source))]);
        facts.node_platforms = owned(nodes).into_iter().collect();
        planned(assigned(), &facts).images[0].note.clone()
    };
    assert_eq!(note(&["linux/amd64", "linux/arm64/v8"], &["linux/amd64", "linux/arm64"]), None);
    assert_eq!(note(&[], &["linux/arm64"]), None, "nothing is known of the image");
    let missing = note(&["linux/amd64"], &["linux/amd64", "linux/arm64"]).unwrap();
    assert!(missing.contains("linux/arm64") && !missing.contains("linux/amd64"), "{missing}");
}
