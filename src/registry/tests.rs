//! The client against a real server on loopback.

mod head;
mod logins;
mod redirects;
mod sizes;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::StatusCode;
use tokio::sync::mpsc;

use super::testing::{Shared, World, with_registry};
use super::*;
use crate::event::Event;
use crate::transport::Settings;
use crate::transport::credential::{Consequence, Credential, CredentialError, Login};

fn settings() -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        retries: 3,
        retry_delay: Duration::from_millis(1),
        ..Settings::default()
    }
}

fn client() -> Client<'static> {
    Client::new(&settings(), &|_| {}).unwrap()
}

fn repository(host: &str) -> Repository {
    Repository { host: host.to_owned(), path: "a/b".to_owned() }
}

fn with(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::default();
    change(&mut world);
    world
}

/// Several times the size of all buffers on the way.
fn large() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

async fn read(
    client: &Client<'_>,
    repository: &Repository,
    digest: &Digest,
    size: usize,
) -> Result<Bytes, Error> {
    let mut reader = client.blob(repository, digest, size as u64).await?;
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await? {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}

fn count(world: &Shared, words: &[&str]) -> usize {
    world.lock().unwrap().count(words)
}

#[tokio::test]
async fn one_challenge_per_host_and_one_token_per_repository() {
    let world = with(|world| {
        world.wants_token = true;
        world.add_image("a/b", "v1", &[]);
        world.add_image("c/d", "v1", &[]);
    });
    with_registry(world, async |world, host| {
        let client = client();
        let first = repository(&host);
        let second = Repository { path: "c/d".to_owned(), ..first.clone() };
        let get = |repository| client.manifest(repository, Reference::Tag("v1"));
        let all = [&first, &second, &first, &second, &first].map(get);
        for result in futures::future::join_all(all).await {
            result.unwrap();
        }
        assert_eq!(count(&world, &["/token", "a%2Fb%3Apull"]), 1);
        assert_eq!(count(&world, &["/token"]), 2);
        assert_eq!(count(&world, &["/manifests/"]), 6, "the first request is sent twice");
        assert_eq!(client.traffic()[&host].requests, 8);
    })
    .await;
}

#[tokio::test]
async fn a_login_is_sent_with_the_first_request_and_renewed_when_rejected() {
    let world = with(|world| {
        world.ecr = Some(BTreeSet::from(["a/b".to_owned()]));
        world.add_image("a/b", "v1", &[]);
    });
    with_registry(world, async |world, host| {
        let lookups = Arc::new(Mutex::new(Vec::new()));
        let lookup = {
            let (lookups, world) = (Arc::clone(&lookups), Arc::clone(&world));
            move |host: &str| {
                lookups.lock().unwrap().push(host.to_owned());
                let basic = format!("ecr{}", world.lock().unwrap().token).into();
                let login = Login::Immediate { basic, valid_for: Duration::from_mins(1) };
                let credential = Credential { login, origin: "the test".to_owned() };
                async move { Ok(Some(credential)) }.boxed()
            }
        };
        let client = client().with_credentials(Box::new(lookup));
        let repository = repository(&host);
        let get = || client.manifest(&repository, Reference::Tag("v1"));
        for result in futures::future::join_all([get(), get(), get()]).await {
            result.unwrap();
        }
        assert_eq!(count(&world, &["/manifests/"]), 3, "none of them waited for a challenge");
        assert_eq!(*lookups.lock().unwrap(), std::slice::from_ref(&host));
        world.lock().unwrap().token += 1;
        get().await.unwrap();
        assert_eq!(lookups.lock().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_failed_credential_lookup_is_an_error_and_sends_no_request() {
    with_registry(World::default(), async |world, host| {
        let lookup = |_: &str| {
            let error =
                CredentialError { message: "expired".to_owned(), consequence: Consequence::EverythingFails };
            async move { Err(error) }.boxed()
        };
        let client = client().with_credentials(Box::new(lookup));
        let error = client.manifest(&repository(&host), Reference::Tag("v1")).await.unwrap_err();
        assert!(matches!(error, Error::NoCredential(_)) && error.to_string() == "expired", "{error}");
        assert_eq!(world.lock().unwrap().log.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once() {
    let world = with(|world| {
        world.wants_token = true;
        world.add_image("a/b", "v1", &[]);
    });
    with_registry(world, async |world, host| {
        let client = client();
        let repository = repository(&host);
        client.manifest(&repository, Reference::Tag("v1")).await.unwrap();
        world.lock().unwrap().token += 1;
        client.manifest(&repository, Reference::Tag("v1")).await.unwrap();
        assert_eq!(count(&world, &["/token"]), 2);
        // A token service whose tokens are always rejected causes an error, not a loop.
        let mut answers = vec![("/manifests/", StatusCode::UNAUTHORIZED, ""); 2];
        world.lock().unwrap().faults.append(&mut answers);
        let error = client.manifest(&repository, Reference::Tag("v1")).await.unwrap_err();
        assert!(matches!(error, Error::NeedsLogin { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect() {
    let mut digest = None;
    let world = with(|world| {
        world.wants_token = true;
        world.redirects = true;
        digest = Some(world.add_blob("a/b", b"hello"));
    });
    with_registry(world, async |world, host| {
        let bytes = read(&client(), &repository(&host), &digest.unwrap(), 5).await.unwrap();
        assert_eq!(bytes, "hello");
        assert_eq!(count(&world, &["/elsewhere/"]), 1);
        assert_eq!(world.lock().unwrap().leaked, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn retries_honour_retry_after_and_are_reported() {
    let world = with(|world| {
        world.add_image("a/b", "v1", &[]);
        world.faults = vec![
            ("/manifests/", StatusCode::TOO_MANY_REQUESTS, "1"),
            ("/manifests/", StatusCode::SERVICE_UNAVAILABLE, ""),
        ];
    });
    with_registry(world, async |world, host| {
        let events = Mutex::new(Vec::new());
        let observer = |event| {
            if let Event::Retry { host, reason, milliseconds } = event {
                events.lock().unwrap().push((host, reason, milliseconds));
            }
        };
        let client = Client::new(&settings(), &observer).unwrap();
        client.manifest(&repository(&host), Reference::Tag("v1")).await.unwrap();
        let events = events.lock().unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!((&events[0].0, events[0].2), (&host, 1000));
        assert!(events[0].1.contains("429") && events[1].1.contains("503"), "{events:?}");
        assert_eq!(count(&world, &["/manifests/"]), 3);
    })
    .await;
}

#[tokio::test]
async fn a_host_that_does_not_respond_is_named_while_it_is_waited_for() {
    // It accepts connections, and sends nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let events = Mutex::new(Vec::new());
    let observer = |event| {
        if let Event::Silent { host, seconds } = event {
            events.lock().unwrap().push((host, seconds));
        }
    };
    let settings = Settings { idle_timeout: Duration::from_millis(5200), retries: 0, ..settings() };
    let client = Client::new(&settings, &observer).unwrap();
    let result = client.manifest(&repository(&host), Reference::Tag("v1")).await;
    assert!(matches!(result, Err(Error::Unreachable { .. })), "{result:?}");
    let events = events.lock().unwrap();
    assert!(!events.is_empty() && events.iter().all(|event| *event == (host.clone(), 5)), "{events:?}");
}

#[tokio::test]
async fn retries_end() {
    let faults = vec![("/manifests/", StatusCode::TOO_MANY_REQUESTS, "0"); 9];
    with_registry(with(|world| world.faults = faults), async |world, host| {
        let result = client().manifest(&repository(&host), Reference::Tag("v1")).await;
        assert!(matches!(result, Err(Error::RateLimited { .. })), "{result:?}");
        assert_eq!(count(&world, &["/manifests/"]), 4);
    })
    .await;
}

#[tokio::test]
async fn a_truncated_blob_is_resumed() {
    let bytes = large();
    let mut digest = None;
    let world = with(|world| {
        world.cuts = 2;
        digest = Some(world.add_blob("a/b", &bytes));
    });
    with_registry(world, async |world, host| {
        let client = client();
        let read = read(&client, &repository(&host), &digest.unwrap(), bytes.len()).await.unwrap();
        assert!(read == bytes, "the bytes differ");
        assert_eq!(count(&world, &["GET", "/blobs/"]), 3);
        assert_eq!(client.traffic()[&host].received, bytes.len() as u64, "no byte twice");
    })
    .await;
}

#[tokio::test]
async fn wrong_bytes_are_detected_before_the_last_part_is_returned() {
    let mut digest = None;
    let world = with(|world| {
        let added = world.add_blob("a/b", &large());
        world.corrupt = HashSet::from([added.clone()]);
        digest = Some(added);
    });
    with_registry(world, async |_, host| {
        let (client, repository, digest) = (client(), repository(&host), digest.unwrap());
        let size = large().len();
        let mut reader = client.blob(&repository, &digest, size as u64).await.unwrap();
        let mut returned = 0;
        let error = loop {
            match reader.next().await {
                Ok(part) => returned += part.expect("an error comes before the end").len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
        assert!(returned < size);
    })
    .await;
}

#[tokio::test]
async fn an_upload_whose_source_stops_is_not_committed() {
    with_registry(World::default(), async |world, host| {
        let (client, repository) = (client(), repository(&host));
        let bytes = Bytes::from(large());
        let digest = Digest::compute(&bytes);
        for whole in [false, true] {
            let session = client.start_upload(&repository).await.unwrap();
            let (sender, parts) = mpsc::channel(1);
            let body = UploadBody::Parts { parts, size: bytes.len() as u64 };
            let feed = async {
                let end = if whole { bytes.len() } else { bytes.len() - 1 };
                let middle = end / 2;
                for part in [bytes.slice(..middle), bytes.slice(middle..end)] {
                    sender.send(part).await.unwrap();
                }
                drop(sender);
            };
            let upload = client.finish_upload(&repository, session, &digest, body);
            let ((), result) = futures::join!(feed, upload);
            assert_eq!(result.is_ok(), whole, "{:?}", result.err());
            let place = ("a/b".to_owned(), digest.clone());
            assert_eq!(world.lock().unwrap().blobs.contains(&place), whole);
        }
        assert!(client.traffic()[&host].sent >= bytes.len() as u64);
    })
    .await;
}

#[tokio::test]
async fn a_manifest_has_the_requested_digest() {
    let mut digest = None;
    let world = with(|world| digest = Some(world.add_image("a/b", "v1", &[])));
    with_registry(world, async |world, host| {
        let (client, repository, digest) = (client(), repository(&host), digest.unwrap());
        let described = client.describe_manifest(&repository, Reference::Tag("v1")).await.unwrap();
        assert_eq!(described.digest, digest);
        let fetched = client.manifest(&repository, Reference::Digest(&digest)).await.unwrap();
        assert_eq!(Digest::compute(&fetched.bytes), digest);
        let missing = client.manifest(&repository, Reference::Tag("v2")).await.unwrap_err();
        assert!(missing.to_string().contains("manifest v2 not found in"), "{missing}");
        // From here on, the registry serves other bytes for that digest.
        for (_, bytes) in world.lock().unwrap().manifests.values_mut() {
            *bytes = Bytes::from([bytes.as_ref(), b" "].concat());
        }
        for reference in [Reference::Tag("v1"), Reference::Digest(&digest)] {
            let error = client.manifest(&repository, reference).await.unwrap_err();
            assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn concurrent_requests_to_an_unresponsive_host_share_its_retries() {
    let tries = Mutex::new(0);
    let observer = |_| *tries.lock().unwrap() += 1;
    let client = Client::new(&settings(), &observer).unwrap();
    // No service listens on the discard port of a loopback address.
    let repository = repository("127.9.9.1:9");
    let requests = (0..5).map(|_| client.manifest(&repository, Reference::Tag("v1")));
    for result in futures::future::join_all(requests).await {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Unreachable { cause: Cause::Refused, .. }), "{error}");
    }
    assert_eq!(*tries.lock().unwrap(), 3, "one request and its retries, not five");
}
