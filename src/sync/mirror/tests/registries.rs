//! Registries as they are.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::model::image::Algorithm;
use crate::registry::testing::{Moves, Resize, with_registry};

/// A layer that is larger than all buffers on the way.
fn large() -> Vec<u8> {
    (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn images_are_copied_from_and_to_registries_without_head() {
    for status in [400, 403, 404, 405, 501] {
        let head = Some(StatusCode::from_u16(status).unwrap());
        with_lab(World { head, ..World::default() }, async |lab| {
            lab.source.lock().unwrap().head = head;
            for _ in 0..2 {
                let run = lab.run().await;
                assert_eq!(run.verified.failures, Vec::new(), "{status}");
                assert_eq!(run.verified.locked.images.len(), 3, "{status}");
                lab.assert_equal();
            }
            assert_eq!(lab.sent(&["PUT", "/manifests/v1"]), 3, "{status}: up to date in the second run");
        })
        .await;
    }
}

#[tokio::test]
async fn redirected_uploads_are_repeated_at_their_new_url() {
    for host in ["", "localhost"] {
        for reads_body in [true, false] {
            let moves = Moves { status: StatusCode::TEMPORARY_REDIRECT, host, reads_body };
            with_lab(World { moves: Some(moves), ..ecr_world() }, async |lab| {
                let run = lab.run().await;
                assert_eq!(run.verified.failures, Vec::new());
                lab.assert_equal();
                assert_eq!(lab.sent(&["PUT", "/blobs/uploads/", "moved=secret"]), PAIRS);
                assert_eq!(lab.target.lock().unwrap().leaked, Vec::<String>::new());
                assert!(!lab.events.lock().unwrap().iter().any(|event| matches!(event, Event::Retry { .. })));
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_blob_of_another_size_fails_its_image_without_retries() {
    with_lab(ecr_world(), async |lab| {
        let own = Digest::compute(b"a/one v1 arm64");
        for length in [5, 500] {
            let resize = Resize { length, states_length: true, honours_range: true };
            lab.source.lock().unwrap().resized.insert(own.clone(), resize);
            lab.forget_log();
            let run = lab.run().await;
            assert_eq!(run.verified.locked.images.len(), 2);
            let error = run.mirrored.values().find_map(|result| result.as_ref().err()).unwrap();
            let expected = format!("has {length} bytes, its manifest says 14");
            assert!(error.starts_with("size mismatch in ") && error.contains(&expected), "{error}");
            assert_eq!(lab.request_count(&["/elsewhere/", own.as_str()]), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_manifest_of_another_size_than_its_index_says_fails_its_image() {
    with_lab(ecr_world(), async |lab| {
        {
            let mut source = lab.source.lock().unwrap();
            let tagged = ("a/one".to_owned(), source.tags[&("a/one".to_owned(), "v1".to_owned())].clone());
            let mut index: Value = serde_json::from_slice(&source.manifests[&tagged].1).unwrap();
            index["manifests"][1]["size"] = 5.into();
            source.add_manifest("a/one", &index, Some("v1"));
        }
        let run = lab.run().await;
        assert_eq!(run.verified.locked.images.len(), 2);
        let Step::Failed { error } = &run.plan.images[0].step else { panic!("{:?}", run.plan.images[0]) };
        assert!(error.starts_with("size mismatch in ") && error.ends_with("its manifest says 5"), "{error}");
    })
    .await;
}

/// Replaces the image of a tag by one whose descriptors have all optional members, as null, and a layer with a sha512
/// digest.
fn add_unusual_image(world: &mut World, repository: &str) {
    let config = br#"{"os":"linux","architecture":"amd64","variant":null}"#;
    let layer = base();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "annotations": null,
        "subject": null,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "annotations": null, "data": null,
            "digest": world.add_blob(repository, config), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "annotations": null, "platform": null,
            "digest": world.add_blob_with(Algorithm::Sha512, repository, &layer), "size": layer.len(),
        }],
    });
    world.add_manifest(repository, &manifest, Some("v1"));
    let bare = json!({
        "mediaType": manifest["mediaType"], "schemaVersion": 2, "layers": null, "config": manifest["config"],
    });
    world.add_manifest(repository, &bare, Some("bare"));
}

#[tokio::test]
async fn null_members_and_sha512_digests_are_copied() {
    for target in [ecr_world(), World::default()] {
        with_lab(target, async |lab| {
            {
                let mut source = lab.source.lock().unwrap();
                add_unusual_image(&mut source, "a/one");
                let bare = source.tags[&("a/one".to_owned(), "bare".to_owned())].clone();
                source.tags.insert(("a/two".to_owned(), "v1".to_owned()), bare.clone());
                let manifest = source.manifests[&("a/one".to_owned(), bare.clone())].clone();
                let document: Value = serde_json::from_slice(&manifest.1).unwrap();
                let config: Digest = document["config"]["digest"].as_str().unwrap().parse().unwrap();
                source.manifests.insert(("a/two".to_owned(), bare), manifest);
                source.blobs.insert(("a/two".to_owned(), config));
            }
            let run = lab.run().await;
            assert_eq!(run.verified.failures, Vec::new());
            let images = &run.verified.locked.images;
            let of =
                |path: &str| images.iter().find(|image| image.destination.path().ends_with(path)).unwrap();
            assert_eq!(of("a/one").platforms, ["linux/amd64"]);
            assert_eq!(of("a/two").platforms, ["linux/amd64"]);
            let target = lab.target.lock().unwrap();
            let is_sha512 = |digest: &Digest| digest.algorithm() == Algorithm::Sha512;
            assert!(target.blobs.iter().any(|(path, digest)| path == "mirror/a/one" && is_sha512(digest)));
        })
        .await;
    }
}

#[tokio::test]
async fn a_registry_may_take_one_upload_at_a_time() {
    let one_upload_at_a_time = Some(Arc::default());
    with_lab(World { one_upload_at_a_time, ..ecr_world() }, async |lab| {
        lab.idle_timeout = Duration::from_mins(1);
        lab.upload_start_timeout = Duration::from_millis(50);
        let layers = [large(), large().into_iter().rev().collect()];
        {
            let mut source = lab.source.lock().unwrap();
            for repository in ["a/one", "a/two", "a/three"] {
                source.add_image(repository, "v1", &[&layers[0], &layers[1]]);
            }
        }
        let run = lab.run().await;
        assert_eq!(run.verified.failures, Vec::new());
        assert_eq!(run.verified.locked.images.len(), 3);
        let mut reads = Vec::new();
        for layer in &layers {
            let digest = Digest::compute(layer);
            reads.push(lab.request_count(&["/elsewhere/", digest.as_str()]));
            let holders = lab.target.lock().unwrap().blobs.iter().filter(|(_, held)| *held == digest).count();
            assert_eq!(holders, 3);
        }
        // The uploads that were set aside have reads of their own.
        assert!(reads.iter().all(|reads| *reads == 3), "{reads:?}");
        assert!(!lab.events.lock().unwrap().iter().any(|event| matches!(event, Event::Retry { .. })));
    })
    .await;
}

/// Each registry begins with another blob, so the read of each blob waits for the other one.
#[tokio::test]
async fn two_registries_that_take_one_upload_at_a_time_do_not_wait_for_each_other() {
    let layers: [Vec<u8>; 2] = [large(), large().into_iter().rev().collect()];
    let digests = layers.each_ref().map(|layer| Digest::compute(layer));
    let begins_with = |digest: &Digest| World {
        one_upload_at_a_time: Some(Arc::default()),
        first_upload: Some((digest.clone(), Arc::new(Semaphore::new(0)))),
        ..World::default()
    };
    with_lab(begins_with(&digests[0]), async |lab| {
        lab.idle_timeout = Duration::from_mins(1);
        lab.upload_start_timeout = Duration::from_millis(50);
        {
            let mut source = lab.source.lock().unwrap();
            for repository in ["a/one", "a/two", "a/three"] {
                source.add_image(repository, "v1", &[&layers[0], &layers[1]]);
            }
        }
        with_registry(begins_with(&digests[1]), async |second, host| {
            let mirrors = [lab.mirror.clone(), format!("{host}/mirror").parse().unwrap()];
            let copy = lab.run_to(mirrors, Detail::Digest);
            let (uploads, mirrored) = tokio::time::timeout(lab.idle_timeout / 2, copy).await.unwrap();
            let hosts = |digest: &Digest| {
                let upload = uploads.iter().find(|upload| upload.blob.digest == *digest).unwrap();
                upload.to.iter().map(|to| to.destination.registry.clone()).collect::<BTreeSet<_>>().len()
            };
            assert!(digests.iter().all(|digest| hosts(digest) == 2), "an upload names both registries");
            assert_eq!(mirrored.len(), 2 * 3, "{mirrored:?}");
            assert!(mirrored.values().all(Result::is_ok), "{mirrored:?}");
            for world in [&lab.target, &second] {
                let world = world.lock().unwrap();
                for digest in &digests {
                    assert_eq!(world.blobs.iter().filter(|(_, held)| held == digest).count(), 3);
                }
            }
            assert!(!lab.events.lock().unwrap().iter().any(|event| matches!(event, Event::Retry { .. })));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn uploads_that_begin_share_one_read() {
    with_lab(ecr_world(), async |lab| {
        let layer = large();
        for repository in ["a/one", "a/two", "a/three"] {
            lab.source.lock().unwrap().add_image(repository, "v1", &[&layer]);
        }
        let run = lab.run().await;
        assert_eq!(run.verified.failures, Vec::new());
        let digest = Digest::compute(&layer);
        assert_eq!(lab.request_count(&["/elsewhere/", digest.as_str()]), 1);
        assert_eq!(lab.sent(&["PUT", digest.short()]), 3);
    })
    .await;
}

#[tokio::test]
async fn an_archived_image_is_restored_by_a_copy_and_named_where_nothing_is_copied() {
    with_lab(ecr_world(), async |lab| {
        lab.run().await;
        assert_eq!(lab.missing().await, Vec::<String>::new());
        {
            let mut target = lab.target.lock().unwrap();
            let manifests = target.manifests.keys().cloned();
            let all = manifests.chain(target.blobs.iter().cloned());
            target.archived = all.filter(|(path, _)| path == "mirror/a/one").collect();
        }
        let missing = lab.missing().await;
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(missing[0].contains("/mirror/a/one:v1 is archived and cannot be pulled: "), "{missing:?}");
        let command = "`aws ecr update-image-storage-class --region us-east-1 --registry-id 123456789012 \
                       --repository-name mirror/a/one --image-id imageDigest=sha256:";
        assert!(missing[0].contains(command), "{missing:?}");

        let run = lab.run().await;
        assert_eq!(run.verified.failures, Vec::new());
        assert_eq!(lab.target.lock().unwrap().archived.len(), 0);
        assert_eq!(lab.missing().await, Vec::<String>::new());
    })
    .await;
}
