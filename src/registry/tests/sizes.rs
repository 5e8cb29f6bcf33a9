//! Blobs whose size is not that of their descriptor.

use super::testing::Resize;
use super::*;

#[tokio::test]
async fn a_complete_blob_of_another_size_is_reported_as_such() {
    let bytes = large();
    let size = bytes.len();
    for length in [0, size / 2, size - 1, size + 1, 2 * size] {
        for states_length in [true, false] {
            for honours_range in [true, false] {
                let mut digest = None;
                let world = with(|world| {
                    let added = world.add_blob("a/b", &bytes);
                    world.resized.insert(added.clone(), Resize { length, states_length, honours_range });
                    digest = Some(added);
                });
                with_registry(world, async |world, host| {
                    let (client, repository, digest) = (client(), repository(&host), digest.unwrap());
                    let error = read(&client, &repository, &digest, size).await.unwrap_err();
                    let text = error.to_string();
                    assert!(matches!(error, Error::SizeMismatch { .. }), "{length} {text}");
                    assert!(text.starts_with("size mismatch in 127.0.0.1:"), "{text}");
                    assert!(text.contains(&format!("its manifest says {size}")), "{text}");
                    // A body without a length may have broken off, which a second one shows.
                    let is_doubtful = !states_length && length < size;
                    assert_eq!(count(&world, &["GET", "/blobs/"]), 1 + usize::from(is_doubtful), "{text}");
                })
                .await;
            }
        }
    }
}

#[tokio::test]
async fn blobs_and_manifests_may_have_sha512_digests() {
    use crate::model::image::Algorithm;

    with_registry(World::default(), async |world, host| {
        let (client, repository) = (client(), repository(&host));
        let bytes = Bytes::from(large());
        let digest = Digest::compute_with(Algorithm::Sha512, &bytes);
        let session = client.start_upload(&repository).await.unwrap();
        let body = UploadBody::Whole(bytes.clone());
        client.finish_upload(&repository, session, &digest, body).await.unwrap();
        assert!(client.has_blob(&repository, &digest).await.unwrap());
        assert!(read(&client, &repository, &digest, bytes.len()).await.unwrap() == bytes);

        let manifest = Bytes::from_static(br#"{"layers":[]}"#);
        let named = Digest::compute_with(Algorithm::Sha512, &manifest);
        let reference = Reference::Digest(&named);
        assert!(client.put_manifest(&repository, reference, "a/b", manifest.clone()).await.unwrap());
        let fetched = client.manifest(&repository, reference).await.unwrap();
        assert_eq!((fetched.digest, fetched.bytes), (named.clone(), manifest));

        // From here on, the registry serves other bytes.
        world.lock().unwrap().corrupt.insert(digest.clone());
        let error = read(&client, &repository, &digest, bytes.len()).await.unwrap_err();
        assert!(error.to_string().contains(&format!("expected {digest}, got sha512:")), "{error}");
        for (_, bytes) in world.lock().unwrap().manifests.values_mut() {
            *bytes = Bytes::from([bytes.as_ref(), b" "].concat());
        }
        let error = client.manifest(&repository, Reference::Digest(&named)).await.unwrap_err();
        assert!(error.to_string().contains(&format!("expected {named}, got sha512:")), "{error}");
    })
    .await;
}
