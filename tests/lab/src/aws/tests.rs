//! The front server without moto: rules, error documents, and requests that it answers itself.

use serde_json::{Value, json};

use super::endpoints::Surroundings;
use super::*;

const ENDPOINT: &str = "vpce-00000000000000001";

/// A front server with an endpoint. moto cannot start.
fn front() -> Arc<Shared> {
    let shared = Arc::new(Shared {
        moto: Moto::new("none".into(), SocketAddr::from(([127, 0, 0, 1], 1)), "/dev/null".into()),
        state: Mutex::default(),
        names: PrivateNames::default(),
        rules_changed: Arc::default(),
    });
    let form = Form::of(&[
        ("VpcId", address::VPC_ID),
        ("VpcEndpointType", "Interface"),
        ("ServiceName", &cast_ai_services()[0].0),
        ("SecurityGroupId.1", CLUSTER_GROUP),
    ]);
    let around = Surroundings {
        caller: address::ACCOUNT.to_owned(),
        vpc_exists: true,
        dns_enabled: true,
        groups: [CLUSTER_GROUP.to_owned()].into(),
        ..Surroundings::default()
    };
    shared.state().endpoints.create(&form, &around, String::new()).unwrap();
    shared
}

fn set_fault(shared: &Shared, fault: &Value) {
    shared.state().rules = serde_json::from_value(json!([fault])).unwrap();
    shared.rules_changed.notify_waiters();
}

/// Status and body of the response to a client; the body is `None` if it breaks off.
async fn send(shared: &Arc<Shared>, form: String) -> (u16, Option<String>) {
    let request = Request::post("/").body(Body::from(form)).unwrap();
    let response = answer(shared.clone(), Service::Ec2, address::EC2.0, request).await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), LARGEST_BODY).await;
    (status, body.ok().map(|body| String::from_utf8(body.to_vec()).unwrap()))
}

fn state(shared: &Shared) -> Value {
    serde_json::to_value(&shared.state().endpoints.list()[0]).unwrap()["state"].clone()
}

fn delete() -> String {
    format!("Action=DeleteVpcEndpoints&VpcEndpointId.1={ENDPOINT}")
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let shared = front();
    let (status, body) = send(&shared, delete() + "&DryRun=true").await;
    assert_eq!(status, 412);
    let expected = "<Code>DryRunOperation</Code><Message>Request would have succeeded, but DryRun flag is set.</Message>";
    assert!(body.as_ref().unwrap().contains(expected), "{body:?}");
    assert_eq!(state(&shared), "pending");
    // Of actions that moto carries out, too.
    assert_eq!(send(&shared, "Action=ModifyVpcAttribute&DryRun=true".to_owned()).await.0, 412);
    let call = serde_json::to_value(&shared.state().calls[0]).unwrap();
    assert_eq!(call, json!({"service": "ec2", "action": "DeleteVpcEndpoints", "dry_run": true}));
}

#[tokio::test]
async fn a_lost_or_failed_response_does_not_undo_the_request() {
    for (fault, status, has_body) in [
        (json!({"fault": "response-failed", "status": 500}), 500, true),
        (json!({"fault": "response-lost"}), 200, false),
        (json!({"fault": "error", "status": 400, "code": "C", "message": "m"}), 400, true),
    ] {
        let shared = front();
        set_fault(&shared, &fault);
        let (seen, body) = send(&shared, delete()).await;
        assert_eq!((seen, body.is_some()), (status, has_body), "{fault}");
        assert_eq!(state(&shared), if status == 400 { "pending" } else { "deleting" }, "{fault}");
    }
}

#[tokio::test]
async fn a_held_request_is_carried_out_later_even_without_its_client() {
    let shared = front();
    set_fault(&shared, &json!({"fault": "held", "times": 1}));
    let client = tokio::spawn({
        let shared = shared.clone();
        async move { send(&shared, delete()).await }
    });
    while shared.state().calls.is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    assert_eq!(state(&shared), "pending");
    set_fault(&shared, &json!({"fault": "throttling", "times": 0}));
    while state(&shared) != "deleting" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn describing_and_deleting_need_no_moto() {
    let shared = front();
    let (status, body) = send(&shared, "Action=DescribeVpcEndpoints".to_owned()).await;
    assert_eq!(status, 200);
    assert!(body.unwrap().contains(ENDPOINT));
    let group = format!("Action=DeleteSecurityGroup&GroupId={CLUSTER_GROUP}");
    let (status, body) = send(&shared, group.clone()).await;
    assert_eq!(status, 400);
    assert!(body.unwrap().contains("<Code>DependencyViolation</Code>"));
    assert_eq!(send(&shared, delete()).await.0, 200);
    for _ in 0..2 {
        send(&shared, "Action=DescribeVpcEndpoints".to_owned()).await;
    }
    // Now moto has to delete the group.
    let (status, body) = send(&shared, group).await;
    assert_eq!(status, 500);
    assert!(body.unwrap().contains("the lab: starting none"));
    let tags = format!("Action=CreateTags&ResourceId.1={ENDPOINT}&Tag.1.Key=k&Tag.1.Value=v");
    assert!(send(&shared, tags).await.1.unwrap().contains("InvalidVpcEndpointId.NotFound"));
}

#[tokio::test]
async fn names_follow_the_endpoints_if_a_test_wants_that() {
    let shared = front();
    let is_public = |host: &str| shared.names.is_public(host);
    send(&shared, "Action=DescribeVpcEndpoints".to_owned()).await;
    assert!(!is_public("grpc.cast.ai"));
    shared.change(|front| front.dns_follows = true);
    assert!(!is_public("api.cast.ai") && is_public("grpc.cast.ai"));
    send(&shared, delete()).await;
    assert!(is_public("api.cast.ai"));
}

#[test]
fn the_action_is_read_from_form_or_query() {
    let cases = [
        (None, "Action=DescribeVpcs&Version=2016-11-15", "DescribeVpcs"),
        (None, "Version=2016-11-15&Action=DescribeVpcs", "DescribeVpcs"),
        (Some("Action=GetCallerIdentity&Version=2011-06-15"), "", "GetCallerIdentity"),
        (None, "Action=%3Cb%3E", "3Cb3E"),
        (None, "", ""),
    ];
    for (query, body, expected) in cases {
        assert_eq!(action(query, &Bytes::from_static(body.as_bytes())), expected, "{query:?} {body}");
    }
}

#[test]
fn the_first_matching_rule_applies_until_it_is_used_up() {
    let mut rules: Vec<Rule> = serde_json::from_str(
        r#"[{"service": "ec2", "action": "DescribeVpcs", "times": 2, "fault": "throttling"},
            {"service": "ec2", "dry_run": false, "fault": "server-error", "status": 503}]"#,
    )
    .unwrap();
    assert_eq!(due(&mut rules, Service::Ec2, "CreateTags", true), None);
    let mut next = |service, action| due(&mut rules, service, action, false);
    assert_eq!(next(Service::Sts, "GetCallerIdentity"), None);
    assert_eq!(next(Service::Ec2, "DescribeVpcs"), Some(Fault::Throttling));
    assert_eq!(next(Service::Ec2, "DescribeSubnets"), Some(Fault::ServerError { status: 503 }));
    assert_eq!(next(Service::Ec2, "DescribeVpcs"), Some(Fault::Throttling));
    assert_eq!(next(Service::Ec2, "DescribeVpcs"), Some(Fault::ServerError { status: 503 }));

    let mut rules: Vec<Rule> =
        serde_json::from_str(r#"[{"action": "CreateTags", "after": 2, "fault": "throttling"}]"#).unwrap();
    let mut next = |action| due(&mut rules, Service::Ec2, action, false);
    let faults = ["CreateTags", "DescribeVpcs", "CreateTags", "CreateTags"].map(&mut next);
    assert_eq!(faults, [None, None, None, Some(Fault::Throttling)]);
}

#[tokio::test]
async fn errors_have_the_codes_of_the_service() {
    let cases = [
        (Service::Sts, Fault::ExpiredToken, 403, "<Code>ExpiredToken</Code>"),
        (Service::Sts, Fault::InvalidClientTokenId, 403, "<Code>InvalidClientTokenId</Code>"),
        (Service::Sts, Fault::AccessDenied, 403, "arn:a&amp;b is not authorized to perform: sts:Act<"),
        (Service::Sts, Fault::Throttling, 400, "<Type>Sender</Type>"),
        (Service::Sts, Fault::ServerError { status: 500 }, 500, "<Type>Receiver</Type>"),
        (Service::Ec2, Fault::ExpiredToken, 400, "<Code>RequestExpired</Code>"),
        (Service::Ec2, Fault::InvalidClientTokenId, 401, "<Code>AuthFailure</Code>"),
        (Service::Ec2, Fault::AccessDenied, 403, "<Code>UnauthorizedOperation</Code>"),
        (Service::Ec2, Fault::Throttling, 503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code>"),
        (
            Service::Ec2,
            Fault::Error { status: 400, code: "Quota".to_owned(), message: "a<b".to_owned() },
            400,
            "<Code>Quota</Code><Message>a&lt;b</Message>",
        ),
        (Service::Ec2, Fault::ResponseFailed { status: 500 }, 500, "<Code>InternalFailure</Code>"),
    ];
    for (service, fault, status, part) in cases {
        let response = error::response(service, "Act", "arn:a&b", &fault).unwrap();
        assert_eq!(response.status(), status, "{service:?} {fault:?}");
        let body = axum::body::to_bytes(response.into_body(), LARGEST_BODY).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(part), "{service:?} {fault:?}: {body}");
    }
    for fault in [Fault::Silent, Fault::Held, Fault::ResponseLost] {
        assert!(error::response(Service::Sts, "Act", "arn", &fault).is_none());
    }
}
