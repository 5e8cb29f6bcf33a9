use std::sync::{Arc, Mutex};

use http::StatusCode;

use super::*;
use crate::aws::testing::client;
use crate::endpoints::settings::Peer;

/// EC2 that answers every request so, and the actions that it received.
async fn ec2(status: StatusCode, body: &'static str) -> (Ec2, Arc<Mutex<Vec<String>>>) {
    let received: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&received);
    let answer = async move |form: String| {
        let action = form.split('&').find_map(|field| field.strip_prefix("Action=")).unwrap_or_default();
        log.lock().unwrap().push(action.to_owned());
        (status, body)
    };
    let router = axum::Router::new().fallback(axum::routing::post(answer));
    (Ec2::new(&client(router).await), received)
}

fn actions() -> Vec<Action> {
    let group = GroupRef::Name("ours".to_owned());
    vec![
        Action::EnableVpcAttribute { vpc: "vpc-1".to_owned(), attribute: "enableDnsSupport" },
        Action::CreateSecurityGroup { name: "ours".to_owned(), description: String::new(), tags: [].into() },
        Action::AuthorizeIngress { group, peers: vec![Peer::Group("sg-1".to_owned())] },
        Action::DeleteEndpoint { service: "rest-api".to_owned(), id: "vpce-1".to_owned() },
    ]
}

async fn outcomes(ec2: &Ec2, mode: Mode) -> Vec<&'static str> {
    let steps = apply(ec2, "vpc-1", &actions(), mode, &|_| {}).await;
    let word = |step: &Step| match step.outcome {
        Outcome::Done { .. } => "done",
        Outcome::Allowed => "allowed",
        Outcome::Outdated { .. } => "outdated",
        Outcome::Failed { .. } => "failed",
        Outcome::Skipped { .. } => "skipped",
    };
    steps.iter().map(word).collect()
}

const DRY_RUN: &str =
    "<Response><Errors><Error><Code>DryRunOperation</Code><Message>x</Message></Error></Errors></Response>";

#[tokio::test]
async fn a_dry_run_sends_only_what_ec2_can_check() {
    let (allows, received) = ec2(StatusCode::PRECONDITION_FAILED, DRY_RUN).await;
    assert_eq!(outcomes(&allows, Mode::DryRun).await, ["skipped", "allowed", "skipped", "allowed"]);
    assert_eq!(*received.lock().unwrap(), ["CreateSecurityGroup", "DeleteVpcEndpoints"]);
    // Success means that something was done.
    let (ignores, _) = ec2(StatusCode::OK, "<R/>").await;
    assert_eq!(outcomes(&ignores, Mode::DryRun).await, ["skipped", "failed", "skipped", "failed"]);
}

#[tokio::test]
async fn a_refused_deletion_is_no_success_and_what_lacks_its_group_is_skipped() {
    let refused = "<R><unsuccessful><item><error><code>InvalidParameter</code><message>managed by a service</message></error>\
                   <resourceId>vpce-1</resourceId></item></unsuccessful></R>";
    let (ec2, _) = ec2(StatusCode::OK, refused).await;
    let steps = apply(&ec2, "vpc-1", &actions()[2..], Mode::Change, &|_| {}).await;
    let messages: Vec<_> = steps.into_iter().map(|step| step.outcome).collect();
    assert_eq!(
        messages,
        [
            Outcome::Skipped { message: "security group ours was not created".to_owned() },
            Outcome::Failed { message: "InvalidParameter: managed by a service".to_owned() },
        ]
    );
}
