//! Repositories, logins and the stored state of the account.

use super::*;

#[tokio::test]
async fn a_repository_must_exist_and_have_a_valid_name() {
    let account = Account::start().await;
    let missing = account.send(Method::POST, "/v2/some/where/blobs/uploads/", "", "").await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "NAME_UNKNOWN"));
    let text = "The repository with name 'some/where' does not exist in the registry with id '123456789012'";
    assert_eq!(missing.json()["errors"][0]["message"], text);
    let listed = account.signed("AKIALAB", "ListImages", json!({"repositoryName": "some/where"})).await;
    assert_eq!((listed.status, &listed.json()["__type"]), (400, &json!("RepositoryNotFoundException")));
    let made = account.api("CreateRepository", json!({"repositoryName": "some/where"})).await;
    assert_eq!(
        made["repository"]["repositoryArn"],
        "arn:aws:ecr:us-east-1:123456789012:repository/some/where"
    );
    let again = account.api("CreateRepository", json!({"repositoryName": "some/where"})).await;
    assert_eq!(again["__type"], "RepositoryAlreadyExistsException");
    let named = account.api("CreateRepository", json!({"repositoryName": "Some"})).await;
    assert_eq!(named["__type"], "InvalidParameterException");
    let listed = account.api("DescribeRepositories", json!({"repositoryNames": ["some/where"]})).await;
    assert_eq!(listed["repositories"][0], made["repository"]);
    let gone = account.api("DeleteRepository", json!({"repositoryName": "some/where"})).await;
    assert_eq!(gone["repository"]["repositoryName"], "some/where");
    assert_eq!(account.api("DescribeRepositories", json!({})).await["repositories"], json!([]));
}

#[tokio::test]
async fn failed_logins_have_the_messages_of_aws() {
    let mut account = Account::start().await;
    account.api("CreateRepository", json!({"repositoryName": "app"})).await;
    let anonymous = read(account.client.get(format!("https://{}/v2/", address::ECR.0))).await.unwrap();
    assert_eq!(anonymous.status, 401);
    assert!(anonymous.header("www-authenticate").starts_with("Basic realm=\"https://1234"));
    assert_eq!(account.get("/v2/").await.status, 200);
    account.control.call("DELETE", "/passwords", Value::Null).await;
    let expired = account.get("/v2/").await;
    assert_eq!((expired.status, expired.code().as_str()), (403, "DENIED"));
    account.password = account.login().await;
    let denied = json!({"denied": ["CreateRepository", "InitiateLayerUpload"]});
    account.control.call("PUT", "/access", denied).await;
    let refused = account.api("CreateRepository", json!({"repositoryName": "other"})).await;
    assert_eq!(refused["__type"], "AccessDeniedException");
    assert_eq!(
        refused["message"],
        "User: arn:aws:iam::123456789012:user/engineer is not authorized to perform: ecr:CreateRepository on \
         resource: arn:aws:ecr:us-east-1:123456789012:repository/other because no identity-based policy allows the \
         ecr:CreateRepository action"
    );
    let refused = account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "DENIED"));
    for (credentials, name) in
        [("expired", "ExpiredTokenException"), ("unrecognized", "UnrecognizedClientException")]
    {
        account.control.call("PUT", "/access", json!({"credentials": credentials})).await;
        let refused = account.signed("AKIALAB", "DescribeRegistry", json!({})).await;
        assert_eq!((refused.status, &refused.json()["__type"]), (400, &json!(name)));
    }
    account.control.call("PUT", "/access", json!({})).await;
    let unknown = account.signed("AKIAELSE", "DescribeRegistry", json!({})).await;
    assert_eq!(unknown.json()["__type"], "UnrecognizedClientException");
    assert_eq!(account.api("DescribeRegistry", json!({})).await["registryId"], "123456789012");

    account.password = account.ecr.node_token();
    assert_eq!(account.get("/v2/app/tags/list").await.json(), json!({"name": "app", "tags": []}));
    assert_eq!(account.send(Method::POST, "/v2/app/blobs/uploads/", "", "").await.status, 403);
}

#[tokio::test]
async fn a_policy_applies_on_both_hosts_to_its_repositories() {
    let account = Account::start().await;
    for name in ["ours/app", "theirs/app"] {
        account.api("CreateRepository", json!({"repositoryName": name})).await;
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ecr:InitiateLayerUpload", "ecr:DescribeRepositories"],
            "Resource": "arn:aws:ecr:us-east-1:123456789012:repository/ours/*"},
    ]});
    account.control.call("PUT", "/access", json!({"policy": policy})).await;
    for (repository, status) in [("ours/app", 202), ("theirs/app", 403)] {
        let opened = account.send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), "", "").await;
        assert_eq!(opened.status, status, "{repository}");
    }
    let describe = async |input: Value| account.api("DescribeRepositories", input).await["__type"].clone();
    assert_eq!(describe(json!({"repositoryNames": ["ours/app"]})).await, Value::Null);
    for input in [json!({"repositoryNames": ["ours/app", "theirs/app"]}), json!({})] {
        assert_eq!(describe(input.clone()).await, "AccessDeniedException", "{input}");
    }
    assert_eq!(account.api("GetAuthorizationToken", json!({})).await["__type"], "AccessDeniedException");
    // Without a policy, everything is allowed.
    account.control.call("PUT", "/access", json!({})).await;
    assert_eq!(describe(json!({})).await, Value::Null);
}

#[tokio::test]
async fn the_state_is_restored_at_the_next_start() {
    let account = Account::start().await;
    account.ecr.seed().await.unwrap();
    let before = account.control.call("GET", "/state", Value::Null).await;
    let settings = Settings {
        api: free_address(),
        registry: free_address(),
        folder: account.bench.folder.join("ecr"),
        access_keys: Vec::new(),
        caller: String::new(),
    };
    let again = Ecr::start(settings, &account.bench.authority, account.bench.upstream()).await.unwrap();
    again.seed().await.unwrap();
    let control = Control::start(again.control()).await;
    assert_eq!(control.call("GET", "/state", Value::Null).await, before);
    assert_eq!(before["repositories"]["shop/web"]["tags"].as_object().unwrap().len(), 1);
}
