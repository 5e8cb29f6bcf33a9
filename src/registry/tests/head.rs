//! Registries that do not answer HEAD as the specification says.

use super::*;

/// What registries are known to answer, although they have the object.
const REFUSALS: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_IMPLEMENTED,
];

#[tokio::test]
async fn a_manifest_is_read_with_get_if_head_is_refused() {
    for status in REFUSALS {
        let mut digest = None;
        let world = with(|world| {
            world.head = Some(status);
            digest = Some(world.add_image("a/b", "v1", &[]));
        });
        with_registry(world, async |world, host| {
            let (client, repository, digest) = (client(), repository(&host), digest.unwrap());
            for reference in [Reference::Tag("v1"), Reference::Digest(&digest)] {
                let described = client.describe_manifest(&repository, reference).await.unwrap();
                assert_eq!(described.digest, digest, "{status}");
                assert!(described.media_type.contains("index"), "{status}");
            }
            let missing = client.describe_manifest(&repository, Reference::Tag("v2")).await.unwrap_err();
            assert!(matches!(missing, Error::NotFound { .. }), "{status}: {missing}");
            assert_eq!(count(&world, &["GET", "/manifests/"]), 3, "{status}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_failing_server_is_no_reason_for_get() {
    let faults = vec![("/manifests/", StatusCode::INTERNAL_SERVER_ERROR, "0"); 9];
    with_registry(with(|world| world.faults = faults), async |world, host| {
        let error = client().describe_manifest(&repository(&host), Reference::Tag("v1")).await.unwrap_err();
        assert!(error.to_string().contains("500"), "{error}");
        assert_eq!(count(&world, &["GET"]), 0);
    })
    .await;
}

#[tokio::test]
async fn a_web_page_is_no_manifest() {
    let world = with(|world| {
        let page = Bytes::from_static(b"<html>log in</html>");
        let digest = Digest::compute(&page);
        world
            .manifests
            .insert(("a/b".to_owned(), digest.clone()), ("text/html; charset=utf-8".to_owned(), page));
        world.tags.insert(("a/b".to_owned(), "v1".to_owned()), digest);
    });
    with_registry(world, async |_, host| {
        let (client, repository) = (client(), repository(&host));
        let described = client.describe_manifest(&repository, Reference::Tag("v1")).await.map(|_| ());
        let read = client.manifest(&repository, Reference::Tag("v1")).await.map(|_| ());
        for result in [described, read] {
            let error = result.unwrap_err().to_string();
            assert!(
                error.ends_with("text/html instead of a manifest, from a proxy or a login page"),
                "{error}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn blobs_are_found_without_head() {
    for status in REFUSALS {
        let (mut present, mut empty) = (None, None);
        let world = with(|world| {
            world.head = Some(status);
            present = Some(world.add_blob("a/b", &large()));
            empty = Some(world.add_blob("a/b", b""));
        });
        with_registry(world, async |world, host| {
            let (client, repository) = (client(), repository(&host));
            // A second request for each blob that is reported missing would cost healthy registries too much.
            let is_clear = status != StatusCode::NOT_FOUND;
            for (digest, expected) in
                [(present.unwrap(), is_clear), (empty.unwrap(), is_clear), (Digest::compute(b"other"), false)]
            {
                let has_blob = client.has_blob(&repository, &digest).await.unwrap();
                assert_eq!(has_blob, expected, "{status} {digest}");
            }
            assert_eq!(count(&world, &["GET"]), if is_clear { 3 } else { 0 }, "{status}");
            assert!(client.traffic()[&host].received < 100_000, "the body is not read");
        })
        .await;
    }
}

#[tokio::test]
async fn a_blob_that_cannot_be_looked_up_counts_as_missing() {
    for (get, is_missing) in [
        (StatusCode::METHOD_NOT_ALLOWED, true),
        (StatusCode::NOT_IMPLEMENTED, true),
        (StatusCode::FORBIDDEN, false),
    ] {
        let mut digest = None;
        let world = with(|world| {
            world.head = Some(StatusCode::METHOD_NOT_ALLOWED);
            world.faults = vec![("GET", get, "")];
            digest = Some(world.add_blob("a/b", b"x"));
        });
        with_registry(world, async |_, host| {
            let has_blob = client().has_blob(&repository(&host), &digest.unwrap()).await;
            assert_eq!(has_blob.is_ok_and(|has_blob| !has_blob), is_missing, "{get}");
        })
        .await;
    }
}
