use std::sync::{Arc, Mutex};

use http::StatusCode;

use super::*;
use crate::aws::testing::client;
use crate::endpoints::settings::Peer;

/// EC2 that answers every request so, with its action in place of `ACTION`; and the actions that it received.
async fn ec2(status: StatusCode, body: &'static str) -> (Ec2, Arc<Mutex<Vec<String>>>) {
    let received: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&received);
    let answer = async move |form: String| {
        let action = form.split('&').find_map(|field| field.strip_prefix("Action=")).unwrap_or_default();
        log.lock().unwrap().push(action.to_owned());
        (status, body.replace("ACTION", action))
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
    let steps = apply(ec2, "vpc-1", &actions(), BTreeSet::new(), mode, &|_| {}).await;
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
    let (ignores, _) = ec2(StatusCode::OK, "<ACTIONResponse/>").await;
    assert_eq!(outcomes(&ignores, Mode::DryRun).await, ["skipped", "failed", "skipped", "failed"]);
    // A run would repeat what is outdated; a dry run says so.
    let outdated =
        "<R><Errors><Error><Code>DependencyViolation</Code><Message>x</Message></Error></Errors></R>";
    let (refuses, _) = ec2(StatusCode::BAD_REQUEST, outdated).await;
    assert_eq!(outcomes(&refuses, Mode::DryRun).await, ["skipped", "failed", "skipped", "failed"]);
    assert_eq!(outcomes(&refuses, Mode::Change).await, ["outdated", "outdated", "skipped", "outdated"]);
}

#[tokio::test]
async fn a_refused_deletion_is_no_success_and_what_lacks_its_group_is_skipped() {
    let refused = "<ACTIONResponse><unsuccessful><item><error><code>InvalidParameter</code><message>managed by a service</message></error>\
                   <resourceId>vpce-1</resourceId></item></unsuccessful></ACTIONResponse>";
    let (ec2, _) = ec2(StatusCode::OK, refused).await;
    let steps = apply(&ec2, "vpc-1", &actions()[2..], BTreeSet::new(), Mode::Change, &|_| {}).await;
    let messages: Vec<_> = steps.into_iter().map(|step| step.outcome).collect();
    assert_eq!(
        messages,
        [
            Outcome::Skipped { message: "security group ours was not created".to_owned() },
            Outcome::Failed { message: "InvalidParameter: managed by a service".to_owned() },
        ]
    );
}

/// EC2 whose response to a request is decided by its form, and the forms that it received.
async fn ec2_with(
    respond: impl Fn(&str, usize) -> Option<&'static str> + Clone + Send + Sync + 'static,
) -> (Ec2, Arc<Mutex<Vec<String>>>) {
    let received: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&received);
    let answer = async move |form: String| {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(form.clone());
            log.len()
        };
        let (_, action) = form.split_once("Action=").unwrap();
        let action = action.split('&').next().unwrap();
        if let Some(code) = respond(&form, number) {
            let error = format!("<Code>{code}</Code><Message>no</Message>");
            return (StatusCode::BAD_REQUEST, format!("<R><Errors><Error>{error}</Error></Errors></R>"));
        }
        let body = "<groupId>sg-new</groupId><vpcEndpoint><vpcEndpointId>vpce-1</vpcEndpointId></vpcEndpoint>\
                    <vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId><groupSet><item><groupId>sg-old\
                    </groupId></item></groupSet></item></vpcEndpointSet>";
        (StatusCode::OK, format!("<{action}Response>{body}</{action}Response>"))
    };
    let router = axum::Router::new().fallback(axum::routing::post(answer));
    (Ec2::new(&client(router).await), received)
}

pub(in crate::endpoints) fn admit(group: GroupRef, peers: &[&str]) -> Action {
    let peers = peers.iter().map(|id| Peer::Group((*id).to_owned())).collect();
    Action::AuthorizeIngress { group, peers }
}

pub(in crate::endpoints) fn create(service: &str, group: GroupRef) -> Action {
    Action::CreateEndpoint {
        service: service.to_owned(),
        service_name: format!("com.{service}"),
        service_region: None,
        is_gateway: false,
        subnets: vec!["subnet-a".to_owned()],
        groups: vec![group],
        route_tables: Vec::new(),
        private_dns: true,
        ip_type: None,
        tags: [].into(),
    }
}

fn modify(add_groups: Vec<GroupRef>, enable_private_dns: bool) -> Action {
    Action::ModifyEndpoint {
        service: "files".to_owned(),
        id: "vpce-1".to_owned(),
        add_subnets: vec!["subnet-a".to_owned()],
        add_groups,
        add_route_tables: Vec::new(),
        enable_private_dns,
    }
}

async fn in_words(ec2: &Ec2, actions: &[Action], incomplete: BTreeSet<GroupRef>) -> Vec<String> {
    let steps = apply(ec2, "vpc-1", actions, incomplete, Mode::Change, &|_| {}).await;
    let words = |step: Step| match step.outcome {
        Outcome::Done { .. } => "done".to_owned(),
        Outcome::Allowed => "allowed".to_owned(),
        Outcome::Outdated { message } => format!("outdated: {message}"),
        Outcome::Failed { message } => format!("failed: {message}"),
        Outcome::Skipped { message } => format!("skipped: {message}"),
    };
    steps.into_iter().map(words).collect()
}

#[tokio::test]
async fn private_dns_waits_for_all_rules_of_the_security_group() {
    let ours = || GroupRef::Name("ours".to_owned());
    let old = || GroupRef::Id("sg-old".to_owned());
    let other = || GroupRef::Id("sg-other".to_owned());
    let group =
        Action::CreateSecurityGroup { name: "ours".to_owned(), description: String::new(), tags: [].into() };
    let actions = [
        group,
        admit(ours(), &["sg-nodes"]),
        admit(old(), &["sg-nodes"]),
        admit(other(), &["10"]),
        create("rest-api", ours()),
        create("kvisor", other()),
        modify(vec![ours()], false),
        // sg-old is among its groups.
        modify(Vec::new(), true),
        modify(vec![other()], false),
    ];
    let (ec2, received) = ec2_with(|form, _| {
        let is_denied = form.contains("Authorize") && !form.contains("GroupId=sg-other");
        is_denied.then_some("UnauthorizedOperation")
    })
    .await;
    let words = in_words(&ec2, &actions, BTreeSet::new()).await;
    let short: Vec<_> = words.iter().map(|words| words.split(" for ").next().unwrap()).collect();
    let (ours_lacks, old_lacks) =
        ("skipped: security group ours lacks rules", "skipped: security group sg-old lacks rules");
    let denied = "failed: access denied";
    let expected = ["done", denied, denied, "done", ours_lacks, "done", ours_lacks, old_lacks, "done"];
    assert_eq!(short, expected);
    let changed = received.lock().unwrap().iter().filter(|form| form.contains("VpcEndpoint&")).count();
    assert_eq!(changed, 2, "one endpoint created, one modified");
    // Rules that failed in an earlier round count, too.
    let known = BTreeSet::from([old()]);
    assert_eq!(in_words(&ec2, &[create("rest-api", old())], known).await, [old_lacks]);
}

#[tokio::test]
async fn a_new_group_that_ec2_does_not_find_yet_is_looked_for_again() {
    let ours = GroupRef::Name("ours".to_owned());
    let group =
        Action::CreateSecurityGroup { name: "ours".to_owned(), description: String::new(), tags: [].into() };
    let (ec2, received) =
        ec2_with(|_, number| matches!(number, 2 | 3).then_some("InvalidGroup.NotFound")).await;
    let actions = [group, admit(ours.clone(), &["sg-a", "sg-b"]), create("rest-api", ours)];
    assert_eq!(in_words(&ec2, &actions, BTreeSet::new()).await, ["done", "done", "done"]);
    assert_eq!(received.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn one_source_that_ec2_refuses_does_not_keep_the_others_out() {
    let cases = [
        ("InvalidGroup.NotFound", "outdated: 2 of 3 admitted; sg-stale: "),
        ("InvalidParameterValue", "failed: 2 of 3 admitted; sg-stale: "),
        ("InvalidPermission.Duplicate", "done"),
    ];
    for (code, expected) in cases {
        let (ec2, received) = ec2_with(move |form, _| form.contains("sg-stale").then_some(code)).await;
        let actions = [admit(GroupRef::Id("sg-1".to_owned()), &["sg-a", "sg-stale", "sg-b"])];
        let words = in_words(&ec2, &actions, BTreeSet::new()).await.concat();
        assert!(words.starts_with(expected), "{code}: {words}");
        let requests: Vec<_> =
            received.lock().unwrap().iter().map(|form| form.matches("Groups.").count()).collect();
        assert_eq!(requests, [3, 1, 1, 1], "all at once, then one by one");
    }
    // A quota concerns all of them.
    let (ec2, received) = ec2_with(|_, _| Some("RulesPerSecurityGroupLimitExceeded")).await;
    let words =
        in_words(&ec2, &[admit(GroupRef::Id("sg-1".to_owned()), &["sg-a", "sg-b"])], BTreeSet::new()).await;
    assert!(words.concat().contains("Service Quotas"), "{words:?}");
    assert_eq!(received.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_response_that_is_not_ec2s_is_no_success_and_stops_the_run() {
    let old = GroupRef::Id("sg-old".to_owned());
    for body in ["<html>Log in</html>", "Log in", "<ACTIONResponse><return>true</return></ACTIONResponse>"] {
        let (ec2, received) = ec2(StatusCode::OK, body).await;
        let actions = [create("rest-api", old.clone()), create("kvisor", old.clone())];
        let words = in_words(&ec2, &actions, BTreeSet::new()).await;
        assert!(words[0].contains("failed: ec2:CreateVpcEndpoint"), "{words:?}");
        assert!(words[0].contains("got an unusable response"), "{words:?}");
        assert_eq!(words[1], "skipped: not tried after the error before");
        assert_eq!(received.lock().unwrap().len(), 1);
    }
}
