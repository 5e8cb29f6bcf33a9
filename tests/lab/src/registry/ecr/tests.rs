//! ECR from the view of its clients, over a real distribution.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};

mod calls;
mod pushing;

use super::*;
use crate::registry::harness::{Answer, Bench, Control, free_address, read};
use crate::registry::image::{Form, INDEX, Image};
use crate::registry::upstream::digest_of;

const REPOSITORY: &str = "ghcr.io/castai/kvisor/kvisor-agent";

struct Account {
    bench: Bench,
    client: reqwest::Client,
    control: Control,
    ecr: Ecr,
    password: String,
}

impl Account {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let settings = Settings {
            api: free_address(),
            registry: free_address(),
            folder: bench.folder.join("ecr"),
            access_keys: vec!["AKIALAB".into()],
            caller: "arn:aws:iam::123456789012:user/engineer".into(),
        };
        let client = bench.client(&[(address::ECR_API.0, settings.api), (address::ECR.0, settings.registry)]);
        let ecr = Ecr::start(settings, &bench.authority, bench.upstream()).await.unwrap();
        let control = Control::start(ecr.control()).await;
        let mut account = Self { bench, client, control, ecr, password: String::new() };
        account.password = account.login().await;
        account
    }

    async fn login(&self) -> String {
        let answer = self.api("GetAuthorizationToken", json!({})).await;
        let token = answer["authorizationData"][0]["authorizationToken"].as_str().unwrap();
        let decoded = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
        decoded.strip_prefix("AWS:").unwrap().to_owned()
    }

    async fn api(&self, action: &str, input: Value) -> Value {
        self.signed("AKIALAB", action, input).await.json()
    }

    async fn signed(&self, key: &str, action: &str, input: Value) -> Answer {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260115/us-east-1/ecr/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = self.client.post(format!("https://{}/", address::ECR_API.0));
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{action}");
        let request = request.header("x-amz-target", target).header("authorization", authorization);
        read(request.body(input.to_string())).await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        let url = if path.starts_with("https:") {
            path.into()
        } else {
            format!("https://{}{path}", address::ECR.0)
        };
        let request = self.client.request(method, url).basic_auth("AWS", Some(&self.password));
        read(request.header("content-type", kind).body(body)).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", "").await
    }

    async fn upload(&self, repository: &str, bytes: Bytes) -> Answer {
        let opened = self.send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), "", "").await;
        assert_eq!(opened.status, 202);
        let target = format!("{}?digest={}", opened.header("location"), digest_of(&bytes));
        self.send(Method::PUT, &target, "application/octet-stream", bytes).await
    }

    async fn put_manifest(&self, repository: &str, reference: &str, kind: &str, bytes: Bytes) -> Answer {
        self.send(Method::PUT, &format!("/v2/{repository}/manifests/{reference}"), kind, bytes).await
    }

    /// Pushes an image like a client, in the order that ECR requires.
    async fn push(&self, repository: &str, tag: &str, image: &Image) {
        self.api("CreateRepository", json!({"repositoryName": repository})).await;
        for blob in &image.blobs {
            assert_eq!(self.upload(repository, blob.bytes.clone()).await.status, 201);
        }
        for manifest in &image.manifests {
            let top = manifest.digest == image.top().unwrap().digest;
            let reference = if top { tag } else { &manifest.digest };
            let answer =
                self.put_manifest(repository, reference, &manifest.media_type, manifest.bytes.clone()).await;
            assert_eq!(answer.status, 201);
            assert_eq!(answer.header("location"), "", "ECR sends none");
            assert_eq!(answer.header("docker-content-digest"), manifest.digest);
        }
    }
}

fn image(form: Form) -> Image {
    generate("ghcr.io/castai/kvisor/kvisor-agent", "v1", &Recipe { form, ..Recipe::default() }).unwrap()
}
