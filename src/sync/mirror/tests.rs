//! From plan to verification, between two real servers on loopback.

mod attestations;
mod damage;
mod lab;
mod registries;

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;

use self::lab::{Ran, base, ecr_world, with_lab};
use super::*;
use crate::event::Event;
use crate::model::plan::{RegistryKind, Step};
use crate::registry::testing::World;
use crate::sync::plan::prepare::Detail;

const REPOSITORIES: usize = 3;
/// Two shared layers, and a config and a layer for each platform of each image.
const BLOBS: usize = 2 + 3 * 4;
/// Number of pairs of blob and repository.
const PAIRS: usize = 3 * 6;

/// `tests/cli/budget.rs` counts requests by kind; here the plan's estimate is tested.
#[tokio::test]
async fn the_plan_estimates_the_remaining_requests() {
    with_lab(ecr_world(), async |lab| {
        let run = lab.run().await;
        assert_eq!(run.verified.failures, Vec::new());
        assert_eq!(run.verified.locked.images.len(), 3);
        assert_eq!(run.verified.locked.images[0].platforms, ["linux/amd64", "linux/arm64"]);
        lab.assert_equal();
        // Listings and the account's setting are requested during planning.
        let planned = REPOSITORIES + 1;
        let token = 1;
        assert_eq!(run.plan.estimate.destination_requests, (lab.sent(&[""]) - planned - token) as u64);

        lab.forget_log();
        let again = lab.run().await;
        assert_eq!(again.verified.locked.images.len(), 3);
        assert_eq!(lab.sent(&[""]), REPOSITORIES, "up to date costs the listings");
        assert_eq!(lab.request_count(&["GET", "/manifests/"]) + lab.request_count(&["/blobs/"]), 0);
    })
    .await;
}

#[tokio::test]
async fn two_destinations_get_each_blob_from_one_read() {
    with_lab(ecr_world(), async |lab| {
        let (uploads, mirrored) = lab.run_to_two(Detail::Digest).await;
        assert_eq!(mirrored.len(), 2 * 3, "{mirrored:?}");
        assert!(mirrored.values().all(Result::is_ok), "{mirrored:?}");
        assert_eq!(uploads.len(), BLOBS);
        assert_eq!(uploads.iter().map(|upload| upload.to.len()).sum::<usize>(), 2 * PAIRS);
        let paths: BTreeSet<_> = uploads[0].to.iter().map(|to| to.destination.prefix.clone()).collect();
        assert_eq!(paths.len(), 2, "an upload names both destinations");
        assert_eq!(lab.sent(&["PUT", "/blobs/uploads/"]), 2 * PAIRS);
        // Configs are read with the manifests, while each destination is planned.
        let source = lab.source.lock().unwrap();
        for upload in uploads.iter().filter(|upload| upload.blob.size > 1000) {
            let path = format!("/blobs/{}", upload.blob.digest);
            assert_eq!(source.count(&["GET", &path]), 1, "{path} is read once");
        }
        drop(source);
        lab.assert_equal();
    })
    .await;
}

#[tokio::test]
async fn with_mounting_each_blob_is_uploaded_once() {
    let oci = World { wants_token: true, ..World::default() };
    for world in [ecr_world(), oci] {
        with_lab(World { mounting: true, ..world }, async |lab| {
            let run = lab.run().await;
            assert_eq!(run.verified.failures, Vec::new());
            lab.assert_equal();
            assert_eq!(lab.sent(&["PUT", "/blobs/uploads/"]), BLOBS);
            assert_eq!(lab.sent(&["POST", "mount="]), PAIRS - BLOBS);
            assert_eq!(lab.request_count(&["/elsewhere/"]), BLOBS);
        })
        .await;
    }
}

#[tokio::test]
async fn an_unsupported_mount_continues_as_an_upload() {
    // Mounting is attempted at every registry, and this one does not support it.
    with_lab(World::default(), async |lab| {
        let run = lab.run().await;
        assert_eq!(run.plan.registry, RegistryKind::Oci);
        assert_eq!(run.verified.failures, Vec::new());
        lab.assert_equal();
        assert_eq!(lab.sent(&["POST", "/blobs/uploads/"]), PAIRS, "the session that is offered is used");
        assert_eq!(lab.sent(&["PUT", "/blobs/uploads/"]), PAIRS);
        assert_eq!(lab.sent(&["HEAD", "/manifests/"]), 3, "the responses to the PUTs are the proof");
    })
    .await;
}

#[tokio::test]
async fn one_failed_upload_does_not_stop_the_others_and_the_next_run_continues() {
    with_lab(ecr_world(), async |lab| {
        let faults = vec![("PUT /v2/mirror/a/two/blobs/", StatusCode::FORBIDDEN, ""); PAIRS];
        lab.target.lock().unwrap().faults = faults;
        let run = lab.run().await;
        let failed: Vec<&str> = run
            .mirrored
            .iter()
            .filter(|(_, result)| result.is_err())
            .map(|(image, _)| image.path())
            .collect();
        assert_eq!(failed, ["mirror/a/two"]);
        assert_eq!(run.verified.locked.images.len(), 2);
        assert_eq!(
            lab.request_count(&["/elsewhere/"]),
            BLOBS,
            "a rejected upload does not cause another read"
        );
        assert!(!lab.target.lock().unwrap().tags.keys().any(|(path, _)| path.contains("two")));

        lab.target.lock().unwrap().faults.clear();
        lab.forget_log();
        let run = lab.run().await;
        assert_eq!((run.verified.failures.len(), run.verified.locked.images.len()), (0, 3));
        lab.assert_equal();
        assert_eq!(lab.sent(&["PUT", "/blobs/uploads/"]), 6, "only what is lacking");
        assert_eq!(lab.sent(&["BatchCheckLayerAvailability"]), 1);
    })
    .await;
}

#[tokio::test]
async fn overload_and_broken_connections_are_retried() {
    with_lab(ecr_world(), async |lab| {
        lab.source.lock().unwrap().cuts = 2;
        lab.target.lock().unwrap().faults = vec![
            ("PUT /v2/mirror/a/one/blobs/", StatusCode::SERVICE_UNAVAILABLE, ""),
            ("PUT /v2/mirror/a/three/blobs/", StatusCode::UNAUTHORIZED, ""),
            ("PUT /v2/mirror/a/two/manifests/", StatusCode::TOO_MANY_REQUESTS, "0"),
            ("POST /v2/mirror/a/two/blobs/", StatusCode::UNAUTHORIZED, ""),
        ];
        let run = lab.run().await;
        assert_eq!(run.verified.failures, Vec::new());
        assert_eq!(run.verified.locked.images.len(), 3);
        lab.assert_equal();
        assert_eq!(lab.target.lock().unwrap().faults.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn damaged_bytes_are_never_committed_and_fail_only_their_images() {
    with_lab(ecr_world(), async |lab| {
        let own = Digest::compute(b"a/one v1 arm64");
        let shared = Digest::compute(&base());
        lab.source.lock().unwrap().corrupt.insert(own.clone());
        let run = lab.run().await;
        assert_eq!(run.verified.locked.images.len(), 2);
        let error = run.mirrored.values().find_map(|result| result.as_ref().err()).unwrap();
        assert!(error.contains(&lab.source_host) && error.contains("digest mismatch"), "{error}");

        lab.source.lock().unwrap().corrupt.insert(shared.clone());
        lab.target.lock().unwrap().blobs.clear();
        lab.target.lock().unwrap().manifests.clear();
        lab.target.lock().unwrap().tags.clear();
        let run = lab.run().await;
        assert_eq!(run.verified.locked.images.len(), 0);
        let target = lab.target.lock().unwrap();
        assert!(!target.blobs.iter().any(|(_, digest)| *digest == shared || *digest == own));
        assert!(target.tags.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_shared_layer_is_read_from_another_image_if_its_first_source_fails() {
    with_lab(ecr_world(), async |lab| {
        lab.source.lock().unwrap().faults = vec![("GET /v2/a/one/blobs/", StatusCode::FORBIDDEN, ""); 100];
        let run = lab.run().await;
        let shared = Digest::compute(&base());
        let upload = run.uploads.iter().find(|upload| upload.blob.digest == shared).unwrap();
        assert_eq!(upload.from.path(), "a/one");
        assert_eq!(run.verified.locked.images.len(), 2, "{:?}", run.mirrored);
        assert!(
            run.mirrored.values().any(|result| result.as_ref().is_err_and(|error| error.contains("a/one")))
        );
    })
    .await;
}

#[tokio::test]
async fn progress_adds_up_to_the_announced_total() {
    with_lab(ecr_world(), async |lab| {
        lab.target.lock().unwrap().faults =
            vec![("PUT /v2/mirror/a/one/blobs/", StatusCode::SERVICE_UNAVAILABLE, ""); 2];
        lab.run().await;
        let (mut announced, mut started, mut moved, mut copied) = (0, 0, 0, 0);
        for event in lab.events.lock().unwrap().iter() {
            match event {
                Event::MirrorStarted { bytes, images } => announced += *bytes * u64::from(*images == 3),
                Event::ImageStarted { bytes, .. } => started += bytes,
                Event::ImageProgress { bytes, .. } => moved += bytes,
                Event::ImageCopied { .. } => copied += 1,
                _ => {}
            }
        }
        assert_eq!((announced, started, copied), (moved, moved, 3));
        assert!(moved > 3 * base().len() as u64);
    })
    .await;
}

#[tokio::test]
async fn a_missing_source_image_fails_only_that_image() {
    with_lab(ecr_world(), async |lab| {
        lab.source.lock().unwrap().tags.retain(|(path, _), _| path != "a/one");
        let run = lab.run().await;
        assert_eq!(run.verified.locked.images.len(), 2);
        let Step::Failed { error } = &run.plan.images[0].step else { panic!("{:?}", run.plan.images[0]) };
        assert!(error.contains("manifest v1 not found in") && error.contains("a/one"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_stalled_upload_is_cancelled_and_the_others_finish() {
    with_lab(ecr_world(), async |lab| {
        lab.idle_timeout = Duration::from_millis(500);
        lab.target.lock().unwrap().stalls = Some("PUT /v2/mirror/a/two/blobs/");
        let run = lab.run().await;
        assert_eq!(run.verified.locked.images.len(), 2);
        let error = run.mirrored.values().find_map(|result| result.as_ref().err());
        assert!(error.unwrap().contains("--idle-timeout"), "{error:?}");
    })
    .await;
}
