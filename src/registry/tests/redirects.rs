//! Registries that redirect uploads.

use super::logins::logged_in;
use super::testing::Moves;
use super::*;

const MOVED: Moves = Moves { status: StatusCode::TEMPORARY_REDIRECT, host: "", reads_body: false };

fn moving(moves: Moves) -> World {
    World { wants_token: true, moves: Some(moves), ..World::default() }
}

/// Uploads a blob from a stream, as often as the registry redirects it. Returns the number of streams.
async fn upload(client: &Client<'_>, repository: &Repository, bytes: &Bytes) -> Result<usize, Error> {
    let digest = Digest::compute(bytes);
    let mut session = client.start_upload(repository).await?;
    for streams in 1.. {
        let (sender, parts) = mpsc::channel(1);
        let body = UploadBody::Parts { parts, size: bytes.len() as u64 };
        let feed = async move {
            for part in bytes.chunks(64 * 1024) {
                if sender.send(bytes.slice_ref(part)).await.is_err() {
                    break;
                }
            }
            drop(sender);
            // The upload decides how this ends.
            std::future::pending::<()>().await;
        };
        let finished = tokio::select! {
            finished = client.finish_upload(repository, session, &digest, body) => finished,
            () = feed => unreachable!("it never ends"),
        };
        match finished? {
            Finished::Stored => return Ok(streams),
            Finished::Moved(moved) => session = moved,
        }
    }
    unreachable!("the loop has no end")
}

#[tokio::test]
async fn uploads_follow_redirects_with_their_login_to_the_same_host_only() {
    let bytes = Bytes::from(large());
    for status in [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT] {
        for host in ["", "127.0.0.1", "localhost"] {
            for reads_body in [true, false] {
                with_registry(moving(Moves { status, host, reads_body }), async |world, registry| {
                    let (client, repository) = (client(), repository(&registry));
                    assert_eq!(upload(&client, &repository, &bytes).await.unwrap(), 2);
                    let small = Bytes::from_static(b"small");
                    let session = client.start_upload(&repository).await.unwrap();
                    let body = UploadBody::Whole(small.clone());
                    let digest = Digest::compute(&small);
                    let finished = client.finish_upload(&repository, session, &digest, body).await.unwrap();
                    assert!(matches!(finished, Finished::Stored), "a body in memory is sent again");
                    let world = world.lock().unwrap();
                    assert!(world.contents.contains_key(&digest));
                    assert!(world.contents[&Digest::compute(&bytes)] == bytes);
                    assert_eq!(world.leaked, Vec::<String>::new(), "{host}");
                    assert_eq!(world.count(&["PUT", "moved=secret"]), 2);
                })
                .await;
            }
        }
    }
}

#[tokio::test]
async fn a_redirect_of_another_kind_is_not_followed_by_uploads() {
    for status in [StatusCode::FOUND, StatusCode::SEE_OTHER, StatusCode::MOVED_PERMANENTLY] {
        with_registry(moving(Moves { status, ..MOVED }), async |world, host| {
            let error = client().start_upload(&repository(&host)).await.err().unwrap();
            assert!(error.to_string().contains(status.as_str()), "{error}");
            assert_eq!(count(&world, &["moved"]), 0);
        })
        .await;
    }
}

#[tokio::test]
async fn an_identity_token_is_not_redirected_to_another_host() {
    for (host, is_sent) in [("", true), ("localhost", false)] {
        let login = Some(testing::Login::Identity("t"));
        let world = World { login, ..moving(Moves { host, ..MOVED }) };
        logged_in(world, Login::IdentityToken("t".to_owned().into()), async |world, answer| {
            assert_eq!(answer.is_ok(), is_sent);
            let text = answer.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(text.contains("a login that is redirected to another host"), !is_sent, "{text}");
            assert_eq!(count(world, &["/token", "moved"]), usize::from(is_sent));
        })
        .await;
    }
}

#[tokio::test]
async fn an_error_does_not_repeat_the_query_of_a_redirect() {
    // No service listens on the discard port of a loopback address.
    with_registry(moving(Moves { host: "127.9.9.1:9", ..MOVED }), async |_, host| {
        let error = client().start_upload(&repository(&host)).await.err().unwrap();
        assert!(error.to_string().contains("127.9.9.1:9 cannot be reached"), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    })
    .await;
}
