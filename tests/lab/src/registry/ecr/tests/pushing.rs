//! The rules for pushes, one by one.

use super::*;

#[tokio::test]
async fn a_pushed_image_is_read_back_byte_for_byte_and_described() {
    let account = Account::start().await;
    let image = image(Form::Index);
    account.push(REPOSITORY, "v1", &image).await;
    for manifest in &image.manifests {
        let found = account.get(&format!("/v2/{REPOSITORY}/manifests/{}", manifest.digest)).await;
        assert_eq!(found.body, manifest.bytes);
        assert_eq!(found.header("content-type"), manifest.media_type);
    }
    for blob in &image.blobs {
        assert_eq!(account.get(&format!("/v2/{REPOSITORY}/blobs/{}", blob.digest)).await.body, blob.bytes);
    }
    let top = &image.top().unwrap().digest;
    let listed = account.api("ListImages", json!({"repositoryName": REPOSITORY})).await;
    let listed = listed["imageIds"].as_array().unwrap();
    assert_eq!(listed.len(), 5, "the index and its four untagged children");
    assert!(listed.contains(&json!({"imageDigest": top, "imageTag": "v1"})));
    let page = account.api("ListImages", json!({"repositoryName": REPOSITORY, "maxResults": 2})).await;
    assert!(page["nextToken"].is_string());
    let tagged = json!({"repositoryName": REPOSITORY, "filter": {"tagStatus": "TAGGED"}});
    let described = account.api("DescribeImages", tagged).await;
    assert_eq!(described["imageDetails"][0]["imageTags"], json!(["v1"]));
    assert_eq!(described["imageDetails"][0]["imageManifestMediaType"], INDEX);
    let wanted = json!({"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "v1"}, {"imageTag": "v2"}]});
    let got = account.api("BatchGetImage", wanted).await;
    assert_eq!(got["images"][0]["imageManifest"], *String::from_utf8_lossy(&image.top().unwrap().bytes));
    assert_eq!(got["failures"][0]["failureCode"], "ImageNotFound");
    let layers = json!({"repositoryName": REPOSITORY, "layerDigests": [image.own_layer, digest_of(b"none")]});
    let layers = account.api("BatchCheckLayerAvailability", layers).await;
    assert_eq!(layers["layers"][0]["layerAvailability"], "AVAILABLE");
    assert_eq!(layers["layers"][1]["layerAvailability"], "UNAVAILABLE");

    let traffic = account.control.call("GET", "/traffic", Value::Null).await;
    let count = |operation: &str| {
        traffic.as_array().unwrap().iter().filter(|record| record["operation"] == operation).count()
    };
    assert_eq!((count("PutImage"), count("CompleteLayerUpload")), (5, image.blobs.len()));
    assert_eq!(count("CreateRepository"), 1);

    let child =
        json!({"repositoryName": REPOSITORY, "imageIds": [{"imageDigest": image.manifests[0].digest}]});
    let kept = account.api("BatchDeleteImage", child).await;
    assert_eq!(kept["failures"][0]["failureCode"], "ImageReferencedByManifestList");
    let tag = json!({"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "v1"}]});
    assert_eq!(account.api("BatchDeleteImage", tag).await["imageIds"][0]["imageDigest"], *top);
    assert_eq!(account.get(&format!("/v2/{REPOSITORY}/manifests/v1")).await.code(), "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn uploads_follow_ecr_and_not_the_specification() {
    let account = Account::start().await;
    account.api("CreateRepository", json!({"repositoryName": "app"})).await;
    let empty = account.upload("app", Bytes::new()).await;
    assert_eq!((empty.status, empty.code().as_str()), (400, "BLOB_UPLOAD_INVALID"));
    let opened = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    let first = account.send(Method::PATCH, &opened.header("location"), "", "one ").await;
    let second = account.send(Method::PATCH, &first.header("location"), "", "two").await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!((first.header("range").as_str(), second.header("range").as_str()), ("0-3", "0-3"));
    let digest = digest_of(b"one two");
    let put = format!("{}?digest={digest}", second.header("location"));
    assert_eq!(account.send(Method::PUT, &put, "", "").await.status, 201);
    assert_eq!(&account.get(&format!("/v2/app/blobs/{digest}")).await.body[..], b"one two");
    let opened = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    let put = format!("{}?digest={digest}", opened.header("location"));
    let wrong = account.send(Method::PUT, &put, "", "another").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "DIGEST_INVALID"));
}

#[tokio::test]
async fn manifests_are_rejected_by_the_rules_of_ecr() {
    let account = Account::start().await;
    let whole = image(Form::Index);
    account.push("app", "v1", &whole).await;
    let top = whole.top().unwrap();
    account.api("CreateRepository", json!({"repositoryName": "bare"})).await;
    let incomplete = account.put_manifest("bare", "v1", &top.media_type, top.bytes.clone()).await;
    assert_eq!((incomplete.status, incomplete.code().as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
    let child = &whole.manifests[0];
    let incomplete =
        account.put_manifest("bare", &child.digest, &child.media_type, child.bytes.clone()).await;
    assert_eq!((incomplete.status, incomplete.code().as_str()), (404, "BLOB_UNKNOWN"));
    let mut linted: Value = serde_json::from_slice(&child.bytes).unwrap();
    linted["config"]["annotations"] = json!({"a": "b"});
    let linted = account.put_manifest("app", "bad", &child.media_type, linted.to_string().into()).await;
    assert_eq!((linted.status, linted.code().as_str()), (405, "UNSUPPORTED"));
    assert!(linted.json()["errors"][0]["message"].as_str().unwrap().ends_with("'Invalid JSON syntax'"));
    let other = account.put_manifest("app", &digest_of(b"x"), &child.media_type, child.bytes.clone()).await;
    assert_eq!((other.status, other.code().as_str()), (400, "DIGEST_INVALID"));

    let again = || account.put_manifest("app", "v1", &top.media_type, top.bytes.clone());
    assert_eq!(again().await.status, 201);
    let immutable = json!({"repositoryName": "app", "imageTagMutability": "IMMUTABLE"});
    account.api("PutImageTagMutability", immutable).await;
    let refused = again().await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "TAG_INVALID"), "even the same digest");
    account.control.call("PUT", "/settings", json!({"put_image_per_second": 0.001})).await;
    assert_eq!(again().await.status, 400);
    assert_eq!(again().await.code(), "TOOMANYREQUESTS");
}

#[tokio::test]
async fn blobs_are_mounted_only_with_the_account_setting_and_a_manifest_that_refers_to_them() {
    let account = Account::start().await;
    let whole = image(Form::Single);
    account.push("leader", "v1", &whole).await;
    let loose = Bytes::from_static(b"in no manifest");
    account.upload("leader", loose.clone()).await;
    account.api("CreateRepository", json!({"repositoryName": "follower"})).await;
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
    assert_eq!(account.api("GetAccountSetting", setting.clone()).await["value"], "DISABLED");
    account.api("PutAccountSetting", json!({"name": "BLOB_MOUNTING", "value": "ENABLED"})).await;
    assert_eq!(account.api("GetAccountSetting", setting).await["value"], "ENABLED");
    assert_eq!(mount(whole.own_layer.clone()).await.status, 201);
    assert_eq!(account.get(&format!("/v2/follower/blobs/{}", whole.own_layer)).await.status, 200);
    assert_eq!(mount(digest_of(&loose)).await.status, 202);
}

#[tokio::test]
async fn a_truncated_upload_is_never_stored() {
    let account = Account::start().await;
    account.api("CreateRepository", json!({"repositoryName": "app"})).await;
    let rule = json!({
        "operation": "CompleteLayerUpload", "times": 1, "action": {"kind": "cut", "after": 1000, "of": "request"},
    });
    account.control.call("POST", "/faults", rule).await;
    let bytes = Bytes::from(vec![7_u8; 200_000]);
    let opened = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    let target = format!("{}?digest={}", opened.header("location"), digest_of(&bytes));
    let request = account.client.put(target).basic_auth("AWS", Some(&account.password)).body(bytes.clone());
    assert!(read(request).await.is_err());
    assert_eq!(account.get(&format!("/v2/app/blobs/{}", digest_of(&bytes))).await.status, 404);
    assert_eq!(account.upload("app", bytes).await.status, 201);
}
