//! The sources from the view of a client, over a real distribution.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::registry::harness::{Answer, Bench, Control, free_address, read};
use crate::registry::image::{Form, Recipe, generate};
use crate::registry::upstream::{MANIFEST_TYPES, digest_of};

struct Meeting {
    _bench: Bench,
    client: reqwest::Client,
    control: Control,
    sources: Sources,
}

const GHCR_IMAGE: &str = "castai/kvisor/kvisor-agent";
const NVIDIA_IMAGE: &str = "nvidia/k8s/dcgm-exporter";

impl Meeting {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let hosts: Vec<(&str, SocketAddr)> =
            address::SOURCES.iter().map(|(host, _)| (*host, free_address())).collect();
        let client = bench.client(&hosts);
        let listen = |host: &str| hosts.iter().find(|(name, _)| *name == host).unwrap().1;
        let sources = Sources::start(listen, &bench.authority, bench.upstream()).await.unwrap();
        let control = Control::start(sources.control()).await;
        Self { _bench: bench, client, control, sources }
    }

    async fn publish(&self, host: &str, repository: &str, tag: &str, recipe: &Recipe) {
        let order = json!({"host": host, "repository": repository, "tag": tag, "recipe": recipe});
        self.control.call("POST", "/images", order).await;
    }

    async fn get(&self, url: &str, token: &str) -> Answer {
        let request = self.client.get(url).bearer_auth(token).header("accept", MANIFEST_TYPES);
        read(request).await.unwrap()
    }

    /// Reads the challenge at `url` and fetches a token for it.
    async fn login(&self, url: &str) -> (String, Value) {
        let challenge = read(self.client.get(url)).await.unwrap();
        assert_eq!((challenge.status, challenge.code().as_str()), (401, "UNAUTHORIZED"));
        let bearer = challenge.header("www-authenticate");
        let field = |name: &str| {
            let (_, rest) = bearer.split_once(&format!("{name}=\"")).unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let url = format!("{}?service={}&scope={}", field("realm"), field("service"), field("scope"));
        let answer = read(self.client.get(url)).await.unwrap().json();
        (answer["token"].as_str().unwrap().to_owned(), answer)
    }
}

#[tokio::test]
async fn every_registry_serves_published_content_byte_for_byte() {
    let meeting = Meeting::start().await;
    let cases = [
        ("us-docker.pkg.dev", address::GAR.0, "castai-hub/library/agent", Form::ManifestList),
        ("ghcr.io", address::GHCR.0, GHCR_IMAGE, Form::Index),
        ("docker.io", address::DOCKER_HUB.0, "castai/hibernate", Form::Single),
        ("nvcr.io", address::NVCR.0, NVIDIA_IMAGE, Form::Index),
    ];
    for (name, host, repository, form) in cases {
        let recipe = Recipe { form, ..Recipe::default() };
        meeting.publish(name, repository, "v1", &recipe).await;
        let expected = generate(&format!("{name}/{repository}"), "v1", &recipe).unwrap();
        let base = format!("https://{host}/v2/{repository}");
        let (token, _) = meeting.login(&format!("{base}/manifests/v1")).await;
        let top = meeting.get(&format!("{base}/manifests/v1"), &token).await;
        assert_eq!(top.body, expected.top().unwrap().bytes, "{host}");
        assert_eq!(top.header("docker-content-digest"), expected.top().unwrap().digest);
        for manifest in &expected.manifests {
            let found = meeting.get(&format!("{base}/manifests/{}", manifest.digest), &token).await;
            assert_eq!(
                (found.body, found.headers["content-type"].as_bytes()),
                (manifest.bytes.clone(), manifest.media_type.as_bytes()),
                "{host}"
            );
        }
        for blob in &expected.blobs {
            let moved = meeting.get(&format!("{base}/blobs/{}", blob.digest), &token).await;
            assert_eq!(moved.status, 307, "{host}");
            let location = moved.header("location");
            assert_eq!(read(meeting.client.get(&location)).await.unwrap().body, blob.bytes, "{host}");
            let signed_twice = meeting.get(&location, &token).await;
            assert_eq!(signed_twice.status, 400, "{host}");
        }
        let tags = meeting.get(&format!("{base}/tags/list"), &token).await.json();
        assert_eq!(tags, json!({"name": repository, "tags": ["v1"]}));
        let missing = meeting.get(&format!("{base}/manifests/v2"), &token).await;
        assert_eq!((missing.status, missing.code().as_str()), (404, "MANIFEST_UNKNOWN"), "{host}");
    }
}

#[tokio::test]
async fn tokens_have_the_format_of_each_registry_and_are_valid_only_for_their_repository() {
    let meeting = Meeting::start().await;
    for (host, repository) in [
        ("us-docker.pkg.dev", "castai-hub/library/agent"),
        ("ghcr.io", GHCR_IMAGE),
        ("docker.io", "castai/hibernate"),
    ] {
        meeting.publish(host, repository, "v1", &Recipe::default()).await;
    }
    let hub = format!("https://{}/v2/castai/hibernate/manifests/v1", address::DOCKER_HUB.0);
    let (token, answer) = meeting.login(&hub).await;
    assert_eq!((token.split('.').count(), &answer["expires_in"]), (3, &json!(300)));
    let other = format!("https://{}/v2/castai/else/manifests/v1", address::DOCKER_HUB.0);
    let refused = meeting.get(&other, &token).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").ends_with("error=\"insufficient_scope\""));

    let ghcr = format!("https://{}/v2/{GHCR_IMAGE}/manifests/v1", address::GHCR.0);
    let (token, answer) = meeting.login(&ghcr).await;
    assert_eq!((answer.as_object().unwrap().len(), meeting.get(&ghcr, &token).await.status), (1, 200));
    assert_eq!(meeting.get(&hub, &token).await.status, 401, "a token of another registry");
    let private = "https://ghcr.io/token?service=ghcr.io&scope=repository:castai/private:pull";
    assert_eq!(read(meeting.client.get(private)).await.unwrap().status, 401);

    let gar = "https://us-docker.pkg.dev/v2/castai-hub/library/agent/manifests/v1";
    let (token, answer) = meeting.login(gar).await;
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(meeting.get(gar, &token).await.status, 200);
    meeting.control.call("DELETE", "/tokens", Value::Null).await;
    assert_eq!(meeting.get(gar, &token).await.status, 401);
    meeting.control.call("PUT", "/tokens", json!({"lifetime_milliseconds": 0})).await;
    let (token, _) = meeting.login(gar).await;
    assert_eq!(meeting.get(gar, &token).await.status, 401, "expired at once");
}

#[tokio::test]
async fn nvcr_io_challenges_expired_tokens_with_a_token_service_that_requires_an_account() {
    let meeting = Meeting::start().await;
    meeting.publish("nvcr.io", NVIDIA_IMAGE, "v1", &Recipe::default()).await;
    let manifest = format!("https://nvcr.io/v2/{NVIDIA_IMAGE}/manifests/v1");
    let challenge = read(meeting.client.get(&manifest)).await.unwrap().header("www-authenticate");
    assert!(!challenge.contains("service="), "{challenge}");
    let (token, answer) = meeting.login(&manifest).await;
    assert_eq!((token.split('.').count(), answer.as_object().unwrap().len()), (3, 1));
    assert_eq!(meeting.get(&manifest, &token).await.status, 200);

    meeting.control.call("DELETE", "/tokens", Value::Null).await;
    let challenge = meeting.get(&manifest, &token).await.header("www-authenticate");
    let realm = "https://authn.nvidia.com/token";
    assert!(challenge.contains(realm) && challenge.ends_with("error=\"invalid_token\""), "{challenge}");
    let refused = read(meeting.client.get(format!("{realm}?service=registry&scope=x"))).await.unwrap();
    assert_eq!(refused.status, 401);
    let (token, _) = meeting.login(&manifest).await;
    assert_eq!(meeting.get(&manifest, &token).await.status, 200, "strangers are still served");
}

#[tokio::test]
async fn registry_k8s_io_redirects_everything_and_challenges_only_at_its_base() {
    let meeting = Meeting::start().await;
    let recipe = Recipe { form: Form::ManifestList, ..Recipe::default() };
    meeting.publish("registry.k8s.io", "cpa/cpvpa", "v0.8.4", &recipe).await;
    let expected = generate("registry.k8s.io/cpa/cpvpa", "v0.8.4", &recipe).unwrap();
    let base = "https://registry.k8s.io/v2/";
    let challenge = read(meeting.client.get(base)).await.unwrap();
    let realm = "https://registry.k8s.io/token";
    assert_eq!(challenge.status, 401);
    assert!(challenge.header("www-authenticate").contains(realm));
    let answer = read(meeting.client.get(realm)).await.unwrap().json();
    let token = answer["token"].as_str().unwrap();
    assert_eq!((token.len(), &answer["expires_in"]), (32, &json!(3600)));
    assert_eq!(meeting.get(base, token).await.status, 200);

    let follow = async |path: &str, host: &str| {
        let moved = read(meeting.client.get(format!("{base}{path}"))).await.unwrap();
        assert_eq!(moved.status, 307, "{path}");
        let location = moved.header("location");
        assert!(location.starts_with(&format!("https://{host}/")), "{location}");
        read(meeting.client.get(location).header("accept", MANIFEST_TYPES)).await.unwrap()
    };
    let top = expected.top().unwrap();
    let found = follow("cpa/cpvpa/manifests/v0.8.4", address::KUBERNETES_BACKEND.0).await;
    assert_eq!((found.header("docker-content-digest"), found.body), (top.digest.clone(), top.bytes.clone()));
    for blob in &expected.blobs {
        let path = format!("cpa/cpvpa/blobs/{}", blob.digest);
        assert_eq!(follow(&path, address::KUBERNETES_BLOBS.0).await.body, blob.bytes);
    }
    let missing = follow("cpa/cpvpa/manifests/v9", address::KUBERNETES_BACKEND.0).await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "MANIFEST_UNKNOWN"));
    let pushed = read(meeting.client.post(format!("{base}cpa/cpvpa/blobs/uploads/"))).await.unwrap();
    assert_eq!(pushed.status, 405);
}

#[tokio::test]
async fn faults_apply_to_bodies_and_traffic_is_counted() {
    let meeting = Meeting::start().await;
    let recipe = Recipe { form: Form::Single, size: 300_000, ..Recipe::default() };
    meeting.publish("ghcr.io", GHCR_IMAGE, "v1", &recipe).await;
    let image = generate(&format!("ghcr.io/{GHCR_IMAGE}"), "v1", &recipe).unwrap();
    let own = image.blobs.iter().find(|blob| blob.digest == image.own_layer).unwrap();
    let base = format!("https://ghcr.io/v2/{GHCR_IMAGE}");
    let (token, _) = meeting.login(&format!("{base}/manifests/v1")).await;
    let moved = meeting.get(&format!("{base}/blobs/{}", own.digest), &token).await;
    let location = moved.header("location");
    let fetch = || read(meeting.client.get(&location));

    meeting.control.call("DELETE", "/traffic", Value::Null).await;
    let part = read(meeting.client.get(&location).header("range", "bytes=100000-")).await.unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &own.bytes[100_000..]));
    let traffic = meeting.control.call("GET", "/traffic", Value::Null).await;
    assert_eq!(traffic.as_array().unwrap().len(), 1);
    assert_eq!(traffic[0]["host"], address::GHCR_BLOBS.0);
    assert_eq!((&traffic[0]["status"], &traffic[0]["sent"]), (&json!(206), &json!(part.body.len())));

    let arm = |action: Value| {
        let rule = json!({"host": address::GHCR_BLOBS.0, "times": 1, "action": action});
        meeting.control.call("POST", "/faults", rule)
    };
    arm(json!({"kind": "cut", "after": 70_000})).await;
    meeting.control.call("DELETE", "/traffic", Value::Null).await;
    assert!(fetch().await.is_err());
    let traffic = meeting.control.call("GET", "/traffic", Value::Null).await;
    assert_eq!(traffic[0]["sent"], 70_000);
    arm(json!({"kind": "corrupt", "at": 200_000})).await;
    let wrong = fetch().await.unwrap().body;
    let differing: Vec<usize> = (0..own.bytes.len()).filter(|at| wrong[*at] != own.bytes[*at]).collect();
    assert_eq!(differing, [200_000]);
    arm(json!({"kind": "status", "status": 503, "headers": {"Retry-After": "7"}, "body": "busy"})).await;
    let busy = fetch().await.unwrap();
    assert_eq!((busy.status, busy.header("retry-after").as_str(), &busy.body[..]), (503, "7", &b"busy"[..]));
    arm(json!({"kind": "reset"})).await;
    assert!(fetch().await.is_err());
    arm(json!({"kind": "silence"})).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), fetch()).await.is_err());
    meeting.control.call("DELETE", "/faults", Value::Null).await;
    arm(json!({"kind": "hold"})).await;
    let mut held = std::pin::pin!(fetch());
    assert!(tokio::time::timeout(Duration::from_millis(300), held.as_mut()).await.is_err());
    meeting.control.call("DELETE", "/faults", Value::Null).await;
    assert_eq!(held.await.unwrap().body, own.bytes);
    arm(json!({"kind": "throttle", "bytes_per_second": 100_000_000})).await;
    assert_eq!(fetch().await.unwrap().body, own.bytes);
    assert_eq!(fetch().await.unwrap().body, own.bytes, "all rules are used up");
}

#[tokio::test]
async fn tags_are_moved_removed_and_corrupted_on_demand() {
    let meeting = Meeting::start().await;
    let recipe = Recipe { form: Form::Single, ..Recipe::default() };
    let repository = "castai-hub/library/agent";
    meeting.publish("us-docker.pkg.dev", repository, "v1", &recipe).await;
    meeting.publish("us-docker.pkg.dev", repository, "v2", &Recipe { corrupt: true, ..recipe.clone() }).await;
    let base = format!("https://us-docker.pkg.dev/v2/{repository}");
    let (token, _) = meeting.login(&format!("{base}/manifests/v1")).await;
    let second = generate(&format!("us-docker.pkg.dev/{repository}"), "v2", &recipe).unwrap();
    let moved = meeting.get(&format!("{base}/blobs/{}", second.own_layer), &token).await;
    let wrong = read(meeting.client.get(moved.header("location"))).await.unwrap().body;
    assert_ne!(digest_of(&wrong), second.own_layer);

    let tag = json!({"host": "us-docker.pkg.dev", "repository": repository, "tag": "v1", "to": "v2"});
    meeting.control.call("PUT", "/images", tag).await;
    let now = meeting.get(&format!("{base}/manifests/v1"), &token).await;
    assert_eq!(now.header("docker-content-digest"), second.top().unwrap().digest);
    // Publishing again restores the original content of the tag.
    meeting.publish("us-docker.pkg.dev", repository, "v1", &recipe).await;
    let back = meeting.get(&format!("{base}/manifests/v1"), &token).await;
    assert_ne!(back.header("docker-content-digest"), second.top().unwrap().digest);
    let gone = format!("/images?host=us-docker.pkg.dev&repository={repository}&tag=v1");
    meeting.control.call("DELETE", &gone, Value::Null).await;
    assert_eq!(meeting.get(&format!("{base}/manifests/v1"), &token).await.status, 404);
}

#[tokio::test]
async fn the_fixture_is_published_once() {
    let meeting = Meeting::start().await;
    let upstream = meeting.sources.world.upstream.clone();
    meeting.sources.seed(Fixture::WholeCluster).await.unwrap();
    let notes = || {
        let notes = std::fs::read_dir(upstream.folder().join("published")).unwrap();
        notes.map(|note| note.unwrap().metadata().unwrap().modified().unwrap()).collect::<Vec<_>>()
    };
    let first = notes();
    meeting.sources.seed(Fixture::WholeCluster).await.unwrap();
    assert_eq!((first.len(), notes()), (fixture::sources(Fixture::WholeCluster).len(), first));
    for image in fixture::sources(Fixture::WholeCluster) {
        let name = format!("{}/{}", image.host, image.repository);
        assert!(upstream.manifest(&name, image.tag).await.unwrap().is_some(), "{name}");
    }
}
