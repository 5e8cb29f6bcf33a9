//! ECR's rules one by one, over a real distribution.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};

use super::*;
use crate::registry::harness::{Answer, Bench, Control, free_port, read};
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
            api: free_port(),
            registry: free_port(),
            folder: bench.folder.join("ecr"),
            access_keys: vec!["AKIALAB".into()],
            caller: "arn:aws:iam::123456789012:user/engineer".into(),
        };
        let client = bench.client(&[
            (address::ECR_API.0, settings.api),
            (address::ECR.0, settings.registry),
        ]);
        let ecr = Ecr::start(settings, &bench.authority, bench.upstream())
            .await
            .unwrap();
        let control = Control::start(ecr.control()).await;
        let mut account = Self {
            bench,
            client,
            control,
            ecr,
            password: String::new(),
        };
        account.password = account.login().await;
        account
    }

    async fn login(&self) -> String {
        let answer = self.api("GetAuthorizationToken", json!({})).await;
        let token = answer["authorizationData"][0]["authorizationToken"]
            .as_str()
            .unwrap();
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
        let request = request
            .header("x-amz-target", target)
            .header("authorization", authorization);
        read(request.body(input.to_string())).await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        let url = if path.starts_with("https:") {
            path.into()
        } else {
            format!("https://{}{path}", address::ECR.0)
        };
        let request = self
            .client
            .request(method, url)
            .basic_auth("AWS", Some(&self.password));
        read(request.header("content-type", kind).body(body))
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", "").await
    }

    async fn upload(&self, repository: &str, bytes: Bytes) -> Answer {
        let opened = self
            .send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), "", "")
            .await;
        assert_eq!(opened.status, 202);
        let target = format!("{}?digest={}", opened.header("location"), digest_of(&bytes));
        self.send(Method::PUT, &target, "application/octet-stream", bytes)
            .await
    }

    async fn put_manifest(&self, repository: &str, reference: &str, kind: &str, bytes: Bytes) -> Answer {
        self.send(
            Method::PUT,
            &format!("/v2/{repository}/manifests/{reference}"),
            kind,
            bytes,
        )
        .await
    }

    /// Pushes an image as a client does, in the order that ECR wants.
    async fn push(&self, repository: &str, tag: &str, image: &Image) {
        self.api("CreateRepository", json!({"repositoryName": repository}))
            .await;
        for blob in &image.blobs {
            assert_eq!(self.upload(repository, blob.bytes.clone()).await.status, 201);
        }
        for manifest in &image.manifests {
            let top = manifest.digest == image.top().unwrap().digest;
            let reference = if top { tag } else { &manifest.digest };
            let answer = self
                .put_manifest(
                    repository,
                    reference,
                    &manifest.media_type,
                    manifest.bytes.clone(),
                )
                .await;
            assert_eq!(answer.status, 201);
            assert_eq!(answer.header("location"), "", "ECR sends none");
            assert_eq!(answer.header("docker-content-digest"), manifest.digest);
        }
    }
}

fn image(form: Form) -> Image {
    generate(
        "ghcr.io/castai/kvisor/kvisor-agent",
        "v1",
        &Recipe {
            form,
            ..Recipe::default()
        },
    )
    .unwrap()
}

#[tokio::test]
async fn a_pushed_image_is_read_back_byte_for_byte_and_described() {
    let account = Account::start().await;
    let image = image(Form::Index);
    account.push(REPOSITORY, "v1", &image).await;
    for manifest in &image.manifests {
        let found = account
            .get(&format!("/v2/{REPOSITORY}/manifests/{}", manifest.digest))
            .await;
        assert_eq!(found.body, manifest.bytes);
        assert_eq!(found.header("content-type"), manifest.media_type);
    }
    for blob in &image.blobs {
        assert_eq!(
            account
                .get(&format!("/v2/{REPOSITORY}/blobs/{}", blob.digest))
                .await
                .body,
            blob.bytes
        );
    }
    let top = &image.top().unwrap().digest;
    let listed = account
        .api("ListImages", json!({"repositoryName": REPOSITORY}))
        .await;
    let listed = listed["imageIds"].as_array().unwrap();
    assert_eq!(listed.len(), 5, "the index and its four untagged children");
    assert!(listed.contains(&json!({"imageDigest": top, "imageTag": "v1"})));
    let page = account
        .api(
            "ListImages",
            json!({"repositoryName": REPOSITORY, "maxResults": 2}),
        )
        .await;
    assert!(page["nextToken"].is_string());
    let tagged = json!({"repositoryName": REPOSITORY, "filter": {"tagStatus": "TAGGED"}});
    let described = account.api("DescribeImages", tagged).await;
    assert_eq!(described["imageDetails"][0]["imageTags"], json!(["v1"]));
    assert_eq!(described["imageDetails"][0]["imageManifestMediaType"], INDEX);
    let wanted = json!({"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "v1"}, {"imageTag": "v2"}]});
    let got = account.api("BatchGetImage", wanted).await;
    assert_eq!(
        got["images"][0]["imageManifest"],
        *String::from_utf8_lossy(&image.top().unwrap().bytes)
    );
    assert_eq!(got["failures"][0]["failureCode"], "ImageNotFound");
    let layers = json!({"repositoryName": REPOSITORY, "layerDigests": [image.own_layer, digest_of(b"none")]});
    let layers = account.api("BatchCheckLayerAvailability", layers).await;
    assert_eq!(layers["layers"][0]["layerAvailability"], "AVAILABLE");
    assert_eq!(layers["layers"][1]["layerAvailability"], "UNAVAILABLE");

    let traffic = account.control.call("GET", "/traffic", Value::Null).await;
    let count = |operation: &str| {
        traffic
            .as_array()
            .unwrap()
            .iter()
            .filter(|record| record["operation"] == operation)
            .count()
    };
    assert_eq!(
        (count("PutImage"), count("CompleteLayerUpload")),
        (5, image.blobs.len())
    );
    assert_eq!(count("CreateRepository"), 1);

    let child =
        json!({"repositoryName": REPOSITORY, "imageIds": [{"imageDigest": image.manifests[0].digest}]});
    let kept = account.api("BatchDeleteImage", child).await;
    assert_eq!(
        kept["failures"][0]["failureCode"],
        "ImageReferencedByManifestList"
    );
    let tag = json!({"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "v1"}]});
    assert_eq!(
        account.api("BatchDeleteImage", tag).await["imageIds"][0]["imageDigest"],
        *top
    );
    assert_eq!(
        account
            .get(&format!("/v2/{REPOSITORY}/manifests/v1"))
            .await
            .code(),
        "MANIFEST_UNKNOWN"
    );
}

#[tokio::test]
async fn a_repository_must_exist_and_its_name_must_be_one() {
    let account = Account::start().await;
    let missing = account
        .send(Method::POST, "/v2/some/where/blobs/uploads/", "", "")
        .await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "NAME_UNKNOWN"));
    let text = "The repository with name 'some/where' does not exist in the registry with id '123456789012'";
    assert_eq!(missing.json()["errors"][0]["message"], text);
    let listed = account
        .signed("AKIALAB", "ListImages", json!({"repositoryName": "some/where"}))
        .await;
    assert_eq!(
        (listed.status, &listed.json()["__type"]),
        (400, &json!("RepositoryNotFoundException"))
    );
    let made = account
        .api("CreateRepository", json!({"repositoryName": "some/where"}))
        .await;
    assert_eq!(
        made["repository"]["repositoryArn"],
        "arn:aws:ecr:us-east-1:123456789012:repository/some/where"
    );
    let again = account
        .api("CreateRepository", json!({"repositoryName": "some/where"}))
        .await;
    assert_eq!(again["__type"], "RepositoryAlreadyExistsException");
    let named = account
        .api("CreateRepository", json!({"repositoryName": "Some"}))
        .await;
    assert_eq!(named["__type"], "InvalidParameterException");
    let listed = account
        .api("DescribeRepositories", json!({"repositoryNames": ["some/where"]}))
        .await;
    assert_eq!(listed["repositories"][0], made["repository"]);
    let gone = account
        .api("DeleteRepository", json!({"repositoryName": "some/where"}))
        .await;
    assert_eq!(gone["repository"]["repositoryName"], "some/where");
    assert_eq!(
        account.api("DescribeRepositories", json!({})).await["repositories"],
        json!([])
    );
}

#[tokio::test]
async fn uploads_follow_ecr_and_not_the_specification() {
    let account = Account::start().await;
    account
        .api("CreateRepository", json!({"repositoryName": "app"}))
        .await;
    let empty = account.upload("app", Bytes::new()).await;
    assert_eq!(
        (empty.status, empty.code().as_str()),
        (400, "BLOB_UPLOAD_INVALID")
    );
    let opened = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    let first = account
        .send(Method::PATCH, &opened.header("location"), "", "one ")
        .await;
    let second = account
        .send(Method::PATCH, &first.header("location"), "", "two")
        .await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(
        (first.header("range").as_str(), second.header("range").as_str()),
        ("0-3", "0-3")
    );
    let digest = digest_of(b"one two");
    let put = format!("{}?digest={digest}", second.header("location"));
    assert_eq!(account.send(Method::PUT, &put, "", "").await.status, 201);
    assert_eq!(
        &account.get(&format!("/v2/app/blobs/{digest}")).await.body[..],
        b"one two"
    );
    let opened = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    let put = format!("{}?digest={digest}", opened.header("location"));
    let wrong = account.send(Method::PUT, &put, "", "another").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "DIGEST_INVALID"));
}

#[tokio::test]
async fn manifests_are_refused_for_ecr_s_reasons() {
    let account = Account::start().await;
    let whole = image(Form::Index);
    account.push("app", "v1", &whole).await;
    let top = whole.top().unwrap();
    account
        .api("CreateRepository", json!({"repositoryName": "bare"}))
        .await;
    let incomplete = account
        .put_manifest("bare", "v1", &top.media_type, top.bytes.clone())
        .await;
    assert_eq!(
        (incomplete.status, incomplete.code().as_str()),
        (404, "MANIFEST_BLOB_UNKNOWN")
    );
    let child = &whole.manifests[0];
    let incomplete = account
        .put_manifest("bare", &child.digest, &child.media_type, child.bytes.clone())
        .await;
    assert_eq!(
        (incomplete.status, incomplete.code().as_str()),
        (404, "BLOB_UNKNOWN")
    );
    let mut linted: Value = serde_json::from_slice(&child.bytes).unwrap();
    linted["config"]["annotations"] = json!({"a": "b"});
    let linted = account
        .put_manifest("app", "bad", &child.media_type, linted.to_string().into())
        .await;
    assert_eq!((linted.status, linted.code().as_str()), (405, "UNSUPPORTED"));
    assert!(
        linted.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .ends_with("'Invalid JSON syntax'")
    );
    let other = account
        .put_manifest("app", &digest_of(b"x"), &child.media_type, child.bytes.clone())
        .await;
    assert_eq!((other.status, other.code().as_str()), (400, "DIGEST_INVALID"));

    let again = || account.put_manifest("app", "v1", &top.media_type, top.bytes.clone());
    assert_eq!(again().await.status, 201);
    let immutable = json!({"repositoryName": "app", "imageTagMutability": "IMMUTABLE"});
    account.api("PutImageTagMutability", immutable).await;
    let refused = again().await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "TAG_INVALID"),
        "even the same digest"
    );
    account
        .control
        .call("PUT", "/settings", json!({"put_image_per_second": 0.001}))
        .await;
    assert_eq!(again().await.status, 400);
    assert_eq!(again().await.code(), "TOOMANYREQUESTS");
}

#[tokio::test]
async fn blobs_are_mounted_only_with_the_account_setting_and_only_where_a_manifest_names_them() {
    let account = Account::start().await;
    let whole = image(Form::Single);
    account.push("leader", "v1", &whole).await;
    let loose = Bytes::from_static(b"in no manifest");
    account.upload("leader", loose.clone()).await;
    account
        .api("CreateRepository", json!({"repositoryName": "follower"}))
        .await;
    let mount = |digest: String| {
        let account = &account;
        async move {
            let path = format!("/v2/follower/blobs/uploads/?mount={digest}&from=leader");
            account.send(Method::POST, &path, "", "").await
        }
    };
    let off = mount(whole.own_layer.clone()).await;
    assert_eq!(off.status, 202);
    assert!(
        off.header("location")
            .starts_with("https://123456789012.dkr.ecr.us-east-1.amazonaws.com/v2/follower/")
    );
    let setting = json!({"name": "BLOB_MOUNTING"});
    assert_eq!(
        account.api("GetAccountSetting", setting.clone()).await["value"],
        "DISABLED"
    );
    account
        .api(
            "PutAccountSetting",
            json!({"name": "BLOB_MOUNTING", "value": "ENABLED"}),
        )
        .await;
    assert_eq!(
        account.api("GetAccountSetting", setting).await["value"],
        "ENABLED"
    );
    assert_eq!(mount(whole.own_layer.clone()).await.status, 201);
    assert_eq!(
        account
            .get(&format!("/v2/follower/blobs/{}", whole.own_layer))
            .await
            .status,
        200
    );
    assert_eq!(mount(digest_of(&loose)).await.status, 202);
}

#[tokio::test]
async fn logins_fail_as_aws_words_it() {
    let mut account = Account::start().await;
    account
        .api("CreateRepository", json!({"repositoryName": "app"}))
        .await;
    let anonymous = read(account.client.get(format!("https://{}/v2/", address::ECR.0)))
        .await
        .unwrap();
    assert_eq!(anonymous.status, 401);
    assert!(
        anonymous
            .header("www-authenticate")
            .starts_with("Basic realm=\"https://1234")
    );
    assert_eq!(account.get("/v2/").await.status, 200);
    account.control.call("DELETE", "/passwords", Value::Null).await;
    let expired = account.get("/v2/").await;
    assert_eq!((expired.status, expired.code().as_str()), (403, "DENIED"));
    account.password = account.login().await;
    let denied = json!({"denied": ["CreateRepository", "InitiateLayerUpload"]});
    account.control.call("PUT", "/access", denied).await;
    let refused = account
        .api("CreateRepository", json!({"repositoryName": "other"}))
        .await;
    assert_eq!(refused["__type"], "AccessDeniedException");
    assert_eq!(
        refused["message"],
        "User: arn:aws:iam::123456789012:user/engineer is not authorized to perform: ecr:CreateRepository on \
         resource: arn:aws:ecr:us-east-1:123456789012:repository/other because no identity-based policy allows the \
         ecr:CreateRepository action"
    );
    let refused = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "DENIED"));
    for (credentials, name) in [
        ("expired", "ExpiredTokenException"),
        ("unrecognized", "UnrecognizedClientException"),
    ] {
        account
            .control
            .call("PUT", "/access", json!({"credentials": credentials}))
            .await;
        let refused = account.signed("AKIALAB", "DescribeRegistry", json!({})).await;
        assert_eq!((refused.status, &refused.json()["__type"]), (400, &json!(name)));
    }
    account.control.call("PUT", "/access", json!({})).await;
    let unknown = account.signed("AKIAELSE", "DescribeRegistry", json!({})).await;
    assert_eq!(unknown.json()["__type"], "UnrecognizedClientException");
    assert_eq!(
        account.api("DescribeRegistry", json!({})).await["registryId"],
        "123456789012"
    );

    account.password = account.ecr.node_token();
    assert_eq!(
        account.get("/v2/app/tags/list").await.json(),
        json!({"name": "app", "tags": []})
    );
    assert_eq!(
        account
            .send(Method::POST, "/v2/app/blobs/uploads/", "", "")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn the_state_is_found_again() {
    let account = Account::start().await;
    account.ecr.seed().await.unwrap();
    let before = account.control.call("GET", "/state", Value::Null).await;
    let settings = Settings {
        api: free_port(),
        registry: free_port(),
        folder: account.bench.folder.join("ecr"),
        access_keys: Vec::new(),
        caller: String::new(),
    };
    let again = Ecr::start(settings, &account.bench.authority, account.bench.upstream())
        .await
        .unwrap();
    again.seed().await.unwrap();
    let control = Control::start(again.control()).await;
    assert_eq!(control.call("GET", "/state", Value::Null).await, before);
    assert_eq!(
        before["repositories"]["shop/web"]["tags"]
            .as_object()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn an_upload_that_is_cut_is_never_kept() {
    let account = Account::start().await;
    account
        .api("CreateRepository", json!({"repositoryName": "app"}))
        .await;
    let rule = json!({
        "operation": "CompleteLayerUpload", "times": 1, "action": {"kind": "cut", "after": 1000, "of": "request"},
    });
    account.control.call("POST", "/faults", rule).await;
    let bytes = Bytes::from(vec![7_u8; 200_000]);
    let opened = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    let target = format!("{}?digest={}", opened.header("location"), digest_of(&bytes));
    let request = account
        .client
        .put(target)
        .basic_auth("AWS", Some(&account.password))
        .body(bytes.clone());
    assert!(read(request).await.is_err());
    assert_eq!(
        account
            .get(&format!("/v2/app/blobs/{}", digest_of(&bytes)))
            .await
            .status,
        404
    );
    assert_eq!(account.upload("app", bytes).await.status, 201);
}
