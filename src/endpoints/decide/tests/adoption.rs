//! What exists is completed: nothing is removed or narrowed, and each missing thing is added by itself.

use super::*;

/// The VPC after a complete run.
fn complete() -> VpcFacts {
    let facts = facts();
    let plan = decide(&facts, &only("rest-api"));
    applied(facts, &plan)
}

/// An endpoint that this plugin did not create.
fn foreign(service: &str) -> Endpoint {
    Endpoint {
        id: "vpce-foreign".to_owned(),
        service_name: service.to_owned(),
        state: "available".to_owned(),
        private_dns: true,
        subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
        groups: vec!["sg-foreign".to_owned()],
        ..Endpoint::default()
    }
}

fn rest_api() -> String {
    cast_ai(REGION, None, &[])[0].service_name.clone()
}

fn group(id: &str, sources: &[&str]) -> SecurityGroup {
    let rule = |source: &&str| Rule {
        admits_https: true,
        source: source.parse().map_or_else(|_| RuleSource::Group((*source).to_owned()), RuleSource::Cidr),
    };
    SecurityGroup {
        id: id.to_owned(),
        ingress: sources.iter().map(rule).collect(),
        ..SecurityGroup::default()
    }
}

/// A change of the facts.
type Breakage = fn(&mut VpcFacts);

#[test]
fn each_thing_that_breaks_is_fixed_and_nothing_else_touched() {
    let cases: [(&str, Breakage, &[&str]); 7] = [
        ("nothing", |_| {}, &[]),
        (
            "private DNS off",
            |facts| facts.endpoints[0].private_dns = false,
            &["modify vpce-rest-api: +[] +[], private DNS"],
        ),
        (
            "subnet missing",
            |facts| facts.endpoints[0].subnets.truncate(1),
            &["modify vpce-rest-api: +[subnet-b] +[]"],
        ),
        (
            "rule removed",
            |facts| facts.security_groups[1].ingress.clear(),
            &["admit sg-nodes to sg-castai-privatelink-endpoints"],
        ),
        ("tag removed", |facts| facts.subnets[0].tags.clear(), &["tag subnet-a"]),
        (
            "group detached",
            |facts| facts.endpoints[0].groups = vec!["sg-default".to_owned()],
            &["modify vpce-rest-api: +[] +[sg-castai-privatelink-endpoints]"],
        ),
        (
            "endpoint deleted",
            |facts| facts.endpoints[0].state = "deleting".to_owned(),
            &["create rest-api in subnet-a subnet-b with [sg-castai-privatelink-endpoints]"],
        ),
    ];
    for (name, break_it, expected) in cases {
        let mut facts = complete();
        break_it(&mut facts);
        assert_eq!(lines(&decide(&facts, &only("rest-api"))), expected, "{name}");
    }
}

#[test]
fn an_attribute_that_was_turned_off_later_is_turned_on_again() {
    let mut facts = complete();
    facts.vpc.dns_support = Some(false);
    let plan = decide(&facts, &only("rest-api"));
    assert!(plan.actions.is_empty() && !plan.problems.is_empty(), "{plan:#?}");
    let settings = PlanSettings { enable_vpc_dns: true, ..only("rest-api") };
    assert_eq!(lines(&assert_settles(facts, &settings)), ["enable enableDnsSupport"]);
}

/// The reference Terraform: one security group that is open to all, and no tags on subnets that it did not create.
#[test]
fn endpoints_of_the_reference_terraform_are_used_as_they_are() {
    let mut facts = facts();
    facts.endpoints = vec![foreign(&rest_api())];
    facts.security_groups.push(group("sg-foreign", &["0.0.0.0/0", "::/0"]));
    let plan = assert_settles(facts.clone(), &only("rest-api"));
    assert_eq!(lines(&plan), ["tag subnet-a subnet-b"]);
    assert_eq!((change(&plan, "rest-api"), plan.cost.endpoint_zones), (EndpointChange::Unchanged, 0));
    // The example of Cast AI's provider leaves private DNS of this endpoint off.
    facts.endpoints[0].private_dns = false;
    let plan = assert_settles(facts, &only("rest-api"));
    assert_eq!(lines(&plan)[0], "modify vpce-foreign: +[] +[], private DNS");
}

#[test]
fn a_foreign_group_that_admits_too_few_gets_ours_beside_it() {
    for (sources, is_enough) in [
        (&["sg-nodes"][..], true),
        (&["10.0.0.0/16"], true),
        (&["10.0.1.0/24", "10.0.2.0/24"], true),
        (&["10.0.1.0/24"], false),
        (&["sg-others"], false),
        (&[], false),
    ] {
        let mut facts = facts();
        facts.endpoints = vec![foreign(&rest_api())];
        facts.security_groups.push(group("sg-foreign", sources));
        let plan = assert_settles(facts, &only("rest-api"));
        let is_attached =
            lines(&plan).contains(&"modify vpce-foreign: +[] +[castai-privatelink-endpoints]".to_owned());
        assert_eq!(is_attached, !is_enough, "{sources:?}: {:?}", lines(&plan));
    }
    // A rule for another port does not admit HTTPS.
    let mut facts = facts();
    facts.endpoints = vec![foreign(&rest_api())];
    facts.security_groups.push(group("sg-foreign", &["10.0.0.0/16"]));
    facts.security_groups[1].ingress[0].admits_https = false;
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Modify);
}

#[test]
fn an_endpoint_that_will_never_work_is_explained() {
    for (state, failure, message, hint) in [
        (
            "rejected",
            None,
            "Cast AI rejected vpce-foreign",
            "ask Cast AI to accept endpoints of account 123456789012",
        ),
        (
            "failed",
            Some("no capacity"),
            "vpce-foreign failed (no capacity)",
            "--vpc-endpoint-ids vpce-foreign",
        ),
        ("Expired", None, "vpce-foreign expired", "delete vpce-foreign (aws"),
    ] {
        let mut facts = facts();
        let failure = failure.map(str::to_owned);
        facts.endpoints = vec![Endpoint { state: state.to_owned(), failure, ..foreign(&rest_api()) }];
        let plan = decide(&facts, &only("rest-api"));
        assert_eq!(lines(&plan), ["tag subnet-a subnet-b"], "{state}");
        assert!(plan.problems[0].message.contains(message), "{:?}", plan.problems);
        assert!(plan.problems[0].hint.contains(hint), "{:?}", plan.problems);
    }
}

#[test]
fn an_endpoint_that_waits_for_acceptance_is_a_problem_and_completed_anyway() {
    let mut facts = complete();
    facts.endpoints[0].state = "pendingAcceptance".to_owned();
    facts.endpoints[0].subnets.truncate(1);
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(lines(&plan), ["modify vpce-rest-api: +[subnet-b] +[]"]);
    assert!(plan.problems[0].hint.contains("accept vpce-rest-api of account 123456789012"), "{plan:#?}");
    assert!(!plan.is_complete());
}

#[test]
fn another_endpoint_with_the_same_private_name_is_a_conflict() {
    let mut facts = facts();
    let dns_names = vec!["x.vpce.amazonaws.com".to_owned(), "api.cast.ai".to_owned()];
    facts.endpoints = vec![Endpoint { dns_names, ..foreign("com.amazonaws.vpce.us-east-1.vpce-svc-old") }];
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(change(&plan, "rest-api"), EndpointChange::Blocked);
    let problem = &plan.problems[0];
    assert!(problem.message.ends_with("vpce-svc-old already answers for api.cast.ai"), "{problem:?}");
    assert!(
        problem.hint.contains("--service rest-api=com.amazonaws.vpce.us-east-1.vpce-svc-old"),
        "{problem:?}"
    );
    // Without private DNS it does not answer for the name.
    facts.endpoints[0].private_dns = false;
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Create);
}

#[test]
fn aws_endpoints_of_others_are_completed() {
    let mut facts = facts();
    facts.services.extend(["ecr.api", "ecr.dkr", "sts", "ec2"].map(aws_service));
    let interface = |name: &str| foreign(&format!("com.amazonaws.{REGION}.{name}"));
    let gateway = Endpoint {
        id: "vpce-s3".to_owned(),
        is_gateway: true,
        private_dns: false,
        subnets: Vec::new(),
        groups: Vec::new(),
        route_tables: vec!["rtb-a".to_owned()],
        ..interface("s3")
    };
    facts.endpoints = vec![
        Endpoint { id: "vpce-api".to_owned(), ..interface("ecr.api") },
        Endpoint { id: "vpce-dkr".to_owned(), private_dns: false, ..interface("ecr.dkr") },
        Endpoint { id: "vpce-sts".to_owned(), ..interface("sts") },
        Endpoint { id: "vpce-ec2".to_owned(), ..interface("ec2") },
        gateway,
    ];
    facts.security_groups.push(group("sg-foreign", &["sg-nodes"]));
    let plan = assert_settles(facts, &with_aws());
    assert_eq!(
        lines(&plan),
        [
            "create castai-privatelink-aws-endpoints",
            "admit 10.0.0.0/16 to castai-privatelink-aws-endpoints",
            // Its name begins to lead here for the whole VPC.
            "modify vpce-dkr: +[] +[castai-privatelink-aws-endpoints], private DNS",
            "modify vpce-s3: +[rtb-main] +[]",
            "tag subnet-a subnet-b",
        ]
    );
    assert_eq!(plan.redirection.unwrap().services, ["ecr.dkr"]);
}

#[test]
fn an_interface_endpoint_of_s3_with_private_dns_serves_nodes_too() {
    let mut facts = facts();
    facts.services.push(aws_service("s3"));
    facts.endpoints = vec![foreign(&format!("com.amazonaws.{REGION}.s3"))];
    facts.security_groups.push(group("sg-foreign", &["sg-nodes"]));
    let mut settings = with_aws();
    settings.services.retain(|service| service.name == "s3");
    assert_eq!(change(&decide(&facts, &settings), "s3"), EndpointChange::Unchanged);
    // It has the name, so that it has to be complete, whatever gateways there are.
    let gateway = Endpoint {
        id: "vpce-gateway".to_owned(),
        is_gateway: true,
        private_dns: false,
        subnets: Vec::new(),
        route_tables: vec!["rtb-a".to_owned(), "rtb-main".to_owned()],
        ..facts.endpoints[0].clone()
    };
    let mut narrow = facts.clone();
    narrow.endpoints[0].subnets.truncate(1);
    narrow.security_groups[1].ingress.clear();
    narrow.endpoints.push(gateway.clone());
    let plan = assert_settles(narrow, &settings);
    assert_eq!(lines(&plan)[2], "modify vpce-foreign: +[subnet-b] +[castai-privatelink-aws-endpoints]");
    // Without private DNS, or with it for queries from outside alone, nodes use a gateway.
    for change_it in [
        |endpoint: &mut Endpoint| endpoint.private_dns = false,
        |endpoint: &mut Endpoint| endpoint.is_name_for_outside = true,
    ] {
        let mut facts = facts.clone();
        change_it(&mut facts.endpoints[0]);
        assert_eq!(change(&decide(&facts, &settings), "s3"), EndpointChange::Create);
        facts.endpoints.push(gateway.clone());
        assert_eq!(change(&decide(&facts, &settings), "s3"), EndpointChange::Unchanged);
    }
    // A gateway for each route table is as good as one for all.
    facts.endpoints = ["rtb-a", "rtb-main"]
        .map(|table| Endpoint {
            id: format!("vpce-{table}"),
            route_tables: vec![table.to_owned()],
            ..gateway.clone()
        })
        .to_vec();
    assert_eq!(change(&decide(&facts, &settings), "s3"), EndpointChange::Unchanged);
}

#[test]
fn our_groups_are_found_by_their_tag() {
    let facts = complete();
    assert_eq!(facts.security_groups[1].tags[GROUP_FOR], "cast-ai");
    let mut renamed = facts;
    renamed.security_groups[1].name = "other".to_owned();
    assert!(decide(&renamed, &only("rest-api")).is_complete());
}

#[test]
fn a_group_of_others_with_our_name_is_a_problem_before_anything_is_created() {
    let mut facts = facts();
    facts
        .security_groups
        .push(SecurityGroup { name: "castai-privatelink-endpoints".to_owned(), ..group("sg-taken", &[]) });
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(lines(&plan), ["tag subnet-a subnet-b"]);
    let [problem] = plan.problems.as_slice() else { panic!("{plan:#?}") };
    assert_eq!(problem.subject, "sg-taken");
    assert!(problem.hint.contains("Key=privatelink.cast.ai/security-group-for,Value=cast-ai"), "{problem:?}");
    // Endpoints of AWS have a group of their own.
    assert!(decide(&facts, &with_aws()).problems.is_empty());
}

#[test]
fn a_gateway_needs_neither_a_security_group_nor_private_dns() {
    let mut facts = facts();
    facts.vpc.dns_support = Some(false);
    facts.security_groups.push(SecurityGroup {
        name: "castai-privatelink-aws-endpoints".to_owned(),
        ..group("sg-taken", &[])
    });
    assert_eq!(change(&decide(&facts, &with_aws()), "s3"), EndpointChange::Create);
    assert_eq!(change(&decide(&facts, &with_aws()), "sts"), EndpointChange::Blocked);
}

#[test]
fn an_available_endpoint_counts_before_one_that_failed() {
    let mut facts = complete();
    let failed =
        Endpoint { id: "vpce-0".to_owned(), state: "failed".to_owned(), ..facts.endpoints[0].clone() };
    facts.endpoints[0].private_dns = false;
    facts.endpoints.push(failed);
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(lines(&plan), ["modify vpce-rest-api: +[] +[], private DNS"]);
}

#[test]
fn rules_for_ipv6_are_needed_only_by_an_endpoint_with_ipv6() {
    let mut facts = facts();
    facts.client_groups.clear();
    for (subnet, cidr) in facts.subnets.iter_mut().zip(["fd00:1::/64", "fd00:2::/64"]) {
        subnet.cidrs.push(cidr.parse().unwrap());
    }
    facts.endpoints = vec![foreign(&rest_api())];
    facts.security_groups.push(group("sg-foreign", &["10.0.0.0/8"]));
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Unchanged);
    facts.endpoints[0].has_ipv6 = true;
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Modify);
    // The same for members of a group, which have addresses of both kinds.
    facts.client_groups = ["sg-nodes".to_owned()].into();
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Modify);
    facts.endpoints[0].has_ipv6 = false;
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Unchanged);
    // It gets no subnet that has only IPv6.
    facts.endpoints[0].subnets.truncate(1);
    facts.subnets[1].cidrs.remove(0);
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Unchanged);
}

#[test]
fn a_policy_of_its_own_is_noted() {
    let mut facts = facts();
    facts.endpoints = vec![Endpoint { own_policy: Some("{}".to_owned()), ..foreign(&rest_api()) }];
    facts.security_groups.push(group("sg-foreign", &["sg-nodes"]));
    let plan = decide(&facts, &only("rest-api"));
    assert!(plan.notes[0].starts_with("vpce-foreign has a policy of its own"), "{:?}", plan.notes);
}
