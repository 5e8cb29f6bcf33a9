//! Images that a registry may refuse: with the rules that users reported of ECR, in either order, and with none.

use super::lab::Lab;
use super::*;
use crate::model::plan::WithoutAttestations;
use crate::sync::plan::attestations::Attestations;

/// What ECR is reported to refuse in attestations of `BuildKit` 0.32.
const INLINE_DATA: &str = r#""data":"#;

/// The rules of a destination.
#[derive(Clone, Copy, Debug)]
struct Rules {
    refuses: Option<&'static str>,
    checks_blobs_first: bool,
}

const STRICT: [Rules; 2] = [
    Rules { refuses: Some(INLINE_DATA), checks_blobs_first: false },
    Rules { refuses: Some(INLINE_DATA), checks_blobs_first: true },
];
const NONE: Rules = Rules { refuses: None, checks_blobs_first: false };

/// A lab whose image `a/one` has an attestation, and the digests of its index and of the attestation.
async fn with_attested(world: World, rules: Rules, test: impl AsyncFnOnce(&mut Lab, Digest, Digest)) {
    let Rules { refuses, checks_blobs_first } = rules;
    with_lab(World { refuses, checks_blobs_first, ..world }, async |lab| {
        let (index, attestation) = {
            let mut source = lab.source.lock().unwrap();
            let index = source.attest("a/one", "v1");
            let (_, bytes) = &source.manifests[&("a/one".to_owned(), index.clone())];
            let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            (index, document["manifests"][2]["digest"].as_str().unwrap().parse().unwrap())
        };
        test(lab, index, attestation).await;
    })
    .await;
}

/// The digest and what was skipped of `a/one` in the lock.
fn locked(run: &Ran) -> (Digest, Option<WithoutAttestations>) {
    let image = run.verified.locked.images.iter().find(|image| image.source.path() == "a/one").unwrap();
    (image.digest.clone(), image.without_attestations.clone())
}

fn failure(run: &Ran) -> &str {
    run.mirrored.values().find_map(|result| result.as_ref().err()).unwrap()
}

#[tokio::test]
async fn a_registry_without_such_rules_gets_the_same_image() {
    for world in [ecr_world(), World::default()] {
        for attestations in [Attestations::Keep, Attestations::DropRefused] {
            let world = World { ecr: world.ecr.clone(), ..World::default() };
            with_attested(world, NONE, async |lab, index, attestation| {
                lab.attestations = attestations;
                let run = lab.run().await;
                assert_eq!(locked(&run), (index, None));
                lab.assert_equal();
                let path = format!("/manifests/{attestation}");
                assert_eq!(lab.sent(&["PUT", &path]), 1, "what is accepted is written once");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_refused_attestation_is_skipped_and_the_next_run_is_up_to_date() {
    for world in [ecr_world(), World::default()] {
        for rules in STRICT {
            let world = World { ecr: world.ecr.clone(), mounting: true, ..World::default() };
            with_attested(world, rules, async |lab, index, attestation| {
                let run = lab.run().await;
                assert_eq!(run.verified.failures, Vec::new());
                assert_eq!(run.verified.locked.images.len(), 3);
                let (digest, skipped) = locked(&run);
                let expected =
                    WithoutAttestations { source_digest: index.clone(), skipped: vec![attestation] };
                assert_eq!(skipped.as_ref(), Some(&expected));
                let reduced = run.mirrored.values().find_map(|result| result.as_ref().ok()?.reduced.as_ref());
                assert!(
                    reduced.unwrap().refusal.contains("405 UNSUPPORTED Invalid JSON syntax"),
                    "{reduced:?}"
                );
                let tagged = ("mirror/a/one".to_owned(), "v1".to_owned());
                assert_eq!(lab.target.lock().unwrap().tags[&tagged], digest);
                for detail in [Detail::Digest, Detail::Content] {
                    lab.forget_log();
                    let again = lab.run_with(detail).await;
                    assert_eq!(lab.sent(&["PUT"]), 0, "it is up to date");
                    assert_eq!(locked(&again), (digest.clone(), skipped.clone()), "{rules:?}");
                }
                // A new version at the source is copied.
                lab.source.lock().unwrap().add_image("a/one", "v1", &[b"another layer"]);
                let newer = lab.source.lock().unwrap().attest("a/one", "v1");
                let run = lab.run().await;
                assert_eq!(locked(&run).1.unwrap().source_digest, newer);
            })
            .await;
        }
    }
}

#[tokio::test]
async fn an_attestation_that_must_be_kept_fails_its_image_before_its_layers_are_uploaded() {
    for rules in STRICT {
        with_attested(ecr_world(), rules, async |lab, _, _| {
            lab.attestations = Attestations::Keep;
            let run = lab.run().await;
            assert_eq!(run.verified.locked.images.len(), 2, "the others proceed");
            let error = failure(&run);
            for part in
                ["405 UNSUPPORTED", "known cause: `config.data` is set", "--attestations=drop-refused"]
            {
                assert!(error.contains(part), "{error}");
            }
            let own = [b"a/one v1 amd64", b"a/one v1 arm64"].map(|layer| Digest::compute(layer));
            let target = lab.target.lock().unwrap();
            assert!(!target.blobs.iter().any(|(_, digest)| own.contains(digest)), "{rules:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn attestations_are_not_copied_on_request() {
    for rules in [STRICT[0], NONE] {
        with_attested(ecr_world(), rules, async |lab, index, attestation| {
            lab.attestations = Attestations::Drop;
            let run = lab.run().await;
            let expected = WithoutAttestations { source_digest: index, skipped: vec![attestation.clone()] };
            assert_eq!(locked(&run).1, Some(expected));
            assert_eq!(lab.sent(&["PUT", attestation.as_str()]), 0, "it is not sent");
            assert!(!lab.target.lock().unwrap().contents.contains_key(&Digest::compute(b"{}")));
            lab.forget_log();
            let again = lab.run().await;
            assert_eq!((lab.sent(&["PUT"]), locked(&again)), (0, locked(&run)));
        })
        .await;
    }
}

#[tokio::test]
async fn a_refused_platform_fails_its_image_with_the_response_and_the_known_cause() {
    // `features` is known, the other is not.
    for (refused, known, uploads_layers) in [
        (r#""features""#, Some("known cause: `manifests[0].platform.features` is set"), false),
        (r#""of":"a/one""#, None, true),
    ] {
        with_lab(World { refuses: Some(refused), ..ecr_world() }, async |lab| {
            {
                let mut source = lab.source.lock().unwrap();
                let place = ("a/one".to_owned(), source.tags[&("a/one".to_owned(), "v1".to_owned())].clone());
                let mut index: serde_json::Value =
                    serde_json::from_slice(&source.manifests[&place].1).unwrap();
                if known.is_some() {
                    index["manifests"][0]["platform"]["features"] = serde_json::json!(["sse4"]);
                }
                index["annotations"] = serde_json::json!({"of": "a/one"});
                source.add_manifest("a/one", &index, Some("v1"));
            }
            let run = lab.run().await;
            assert_eq!(run.verified.locked.images.len(), 2);
            let error = failure(&run);
            assert!(error.contains("405 UNSUPPORTED Invalid JSON syntax"), "{error}");
            assert!(known.is_none_or(|known| error.contains(known)), "{error}");
            let own = Digest::compute(b"a/one v1 amd64");
            let is_there = lab.target.lock().unwrap().contents.contains_key(&own);
            assert_eq!(is_there, uploads_layers);
        })
        .await;
    }
}

/// Images share the blob of the empty descriptor, which is mounted from `a/one`, and blobs are uploaded one at a time.
///
/// Once this was a deadlock with `--attestations=keep`. The largest blob that one image has alone is one of `a/three`.
/// It took the only slot and waited for the response to the attestation of `a/three`, which waited for its mount from
/// `a/one`, which waited for the manifests of `a/one`, which waited for a slot.
#[tokio::test]
async fn images_with_attestations_in_common_do_not_wait_for_each_other() {
    // A run takes about a second.
    const TIMEOUT: Duration = Duration::from_secs(30);
    for rules in STRICT.into_iter().chain([NONE]) {
        for attestations in [Attestations::Keep, Attestations::DropRefused] {
            with_attested(World { mounting: true, ..ecr_world() }, rules, async |lab, _, _| {
                for repository in ["a/two", "a/three"] {
                    lab.source.lock().unwrap().attest(repository, "v1");
                }
                lab.attestations = attestations;
                lab.blobs = 1;
                let run = tokio::time::timeout(TIMEOUT, lab.run()).await;
                let run = run.unwrap_or_else(|_| panic!("deadlock: {rules:?} {attestations:?}"));
                let fails = rules.refuses.is_some() && attestations == Attestations::Keep;
                assert_eq!(run.verified.locked.images.len(), if fails { 0 } else { 3 }, "{rules:?}");
            })
            .await;
        }
    }
}
