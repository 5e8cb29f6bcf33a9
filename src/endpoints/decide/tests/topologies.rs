//! The VPCs that people have.

use super::*;
use crate::endpoints::facts::HostedZone;

/// What the notes say, as one text.
fn notes(plan: &EndpointPlan) -> String {
    plan.notes.join("\n")
}

#[test]
fn a_shared_vpc_is_left_to_its_owner() {
    let mut facts = facts();
    facts.vpc.owner = Some("999999999999".to_owned());
    let plan = decide(&facts, &cast_ai_settings());
    // Tags of a shared subnet are each account's own.
    assert_eq!(lines(&plan), ["tag subnet-a subnet-b"]);
    assert!(plan.endpoints.iter().all(|endpoint| endpoint.change == EndpointChange::Blocked));
    let [problem] = plan.problems.as_slice() else { panic!("{plan:#?}") };
    assert!(problem.message.starts_with("it belongs to account 999999999999"), "{problem:?}");
    let command = "endpoints create --no-subnet-tags --region us-east-1 --vpc vpc-1 --subnet subnet-a --subnet subnet-b";
    assert!(problem.hint.contains(command), "{problem:?}");
}

#[test]
fn names_that_a_hub_answers_for_get_no_endpoint() {
    let zone = |name: &str, owner: &str| HostedZone {
        id: "Z1".to_owned(),
        name: name.to_owned(),
        owner: owner.to_owned(),
    };
    for (zone, expected) in [
        (zone("api.cast.ai", "999999999999"), EndpointChange::Elsewhere),
        // The name of an endpoint is more specific.
        (zone("cast.ai", "999999999999"), EndpointChange::Create),
        (zone("example.com", "999999999999"), EndpointChange::Create),
        (zone("ai", "vpce.amazonaws.com"), EndpointChange::Create),
        (zone("st.ai", "999999999999"), EndpointChange::Create),
    ] {
        let facts = VpcFacts { hosted_zones: vec![zone.clone()], ..facts() };
        let plan = decide(&facts, &only("rest-api"));
        assert_eq!(change(&plan, "rest-api"), expected, "{zone:?}");
        assert!(plan.problems.is_empty(), "{plan:#?}");
        if expected == EndpointChange::Elsewhere {
            assert!(plan.endpoints[0].reasons[0].contains("(Z1, owned by 999999999999)"), "{plan:#?}");
            assert_eq!(lines(&plan), ["tag subnet-a subnet-b"], "no security group without an endpoint");
            assert!(notes(&plan).contains("`preflight` proves whether it leads to Cast AI"), "{plan:#?}");
        }
        assert_eq!(notes(&plan).contains("covers api.cast.ai too"), zone.name == "cast.ai", "{plan:#?}");
    }
    // A zone for one of two names says nothing about the other.
    let mut facts = VpcFacts { hosted_zones: vec![zone("api.eu.cast.ai", "1")], ..facts() };
    facts.services[0].private_dns_names.push("api.eu.cast.ai".to_owned());
    let plan = decide(&facts, &only("rest-api"));
    assert!(notes(&plan).contains("answers for its name, and none for api.cast.ai"), "{plan:#?}");
}

#[test]
fn nodes_that_the_vpc_does_not_have_are_a_problem() {
    let mut facts = facts();
    facts.nodes_elsewhere = (1..=7).map(|number| format!("node-{number}")).collect();
    let plan = decide(&facts, &only("rest-api"));
    let [problem] = plan.problems.as_slice() else { panic!("{plan:#?}") };
    assert!(problem.message.ends_with("node-4, node-5 and 2 more"), "{problem:?}");
    assert_eq!(change(&plan, "rest-api"), EndpointChange::Create, "the others are served");
    facts.uses.push(used("subnet-a", SubnetReason::Flag));
    assert!(decide(&facts, &only("rest-api")).problems.is_empty());
}

#[test]
fn a_named_subnet_makes_no_group_sufficient() {
    let mut facts = facts();
    facts.endpoints = vec![Endpoint {
        id: "vpce-1".to_owned(),
        service_name: cast_ai(REGION, None, &[])[0].service_name.clone(),
        state: "available".to_owned(),
        private_dns: true,
        subnets: vec!["subnet-a".to_owned()],
        groups: vec!["sg-1".to_owned()],
        ..Endpoint::default()
    }];
    let source = RuleSource::Cidr("10.0.1.0/24".parse().unwrap());
    facts.security_groups.push(SecurityGroup {
        id: "sg-1".to_owned(),
        ingress: vec![Rule { admits_https: true, source }],
        ..SecurityGroup::default()
    });
    facts.uses.push(used("subnet-a", SubnetReason::Flag));
    // Members of sg-nodes are in subnet-b, too.
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Modify);
    facts.uses.retain(|used| used.subnet == "subnet-a");
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Unchanged);
}

#[test]
fn groups_of_another_vpc_are_not_admitted_and_blocks_replace_unknown_ones() {
    let mut facts = facts();
    facts.client_groups.extend(["sg-stale".to_owned(), String::new(), "sg-x\u{1b}[31m".to_owned()]);
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(lines(&plan)[1], "admit sg-nodes to castai-privatelink-endpoints");
    let note = notes(&plan);
    assert!(note.contains("sg-stale") && !note.contains('\u{1b}'), "{note:?}");
    facts.groups_unread = Some("EC2 describes no instance of 1 of 3 nodes".to_owned());
    facts.subnets_without_groups.insert("subnet-b".to_owned());
    let plan = decide(&facts, &only("rest-api"));
    let expected = "admit sg-nodes 10.0.2.0/24 to castai-privatelink-endpoints";
    assert_eq!(lines(&plan)[1], expected);
    assert!(notes(&plan).contains("EC2 describes no instance of 1 of 3 nodes"), "{}", notes(&plan));
    assert!(plan.is_partial);
}

#[test]
fn a_subnet_without_free_addresses_is_no_place() {
    let mut facts = facts();
    facts.subnets[0].free_addresses = Some(0);
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(lines(&plan)[2], "create rest-api in subnet-b with [castai-privatelink-endpoints]");
    assert_eq!(plan.problems[0].message, "no address for it in us-east-1a: subnet-a has no free one");
    // Another subnet of the zone has one.
    facts.uses.push(used("subnet-public", SubnetReason::Nodes(1)));
    assert!(decide(&facts, &only("rest-api")).problems.is_empty());
    facts.uses.pop();
    facts.subnets[1].free_addresses = Some(0);
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(change(&plan, "rest-api"), EndpointChange::Blocked);
    assert_eq!(plan.problems.len(), 2, "{plan:#?}");
}

#[test]
fn a_second_cluster_in_the_vpc_shares_the_endpoints() {
    let first = facts();
    let mut second = applied(first.clone(), &decide(&first, &cast_ai_settings()));
    second.cluster = Some(Cluster { name: "second".to_owned(), ..Cluster::default() });
    second.subnets.push(subnet("subnet-c", "us-east-1c", "10.0.3.0/24"));
    second.subnets.push(subnet("subnet-b2", "us-east-1b", "10.0.4.0/24"));
    second.uses = vec![used("subnet-c", SubnetReason::Nodes(1)), used("subnet-b2", SubnetReason::Nodes(1))];
    second.client_groups = ["sg-second".to_owned()].into();
    second.security_groups.push(SecurityGroup { id: "sg-second".to_owned(), ..SecurityGroup::default() });
    let plan = assert_settles(second, &only("rest-api"));
    // A new zone gets an address; the zone that has one keeps it.
    assert_eq!(
        lines(&plan),
        [
            "admit sg-second to sg-castai-privatelink-endpoints",
            "modify vpce-rest-api: +[subnet-c] +[]",
            "tag subnet-c subnet-b2",
        ]
    );
}

#[test]
fn a_dual_stack_cluster_gets_both_kinds_of_addresses_if_the_service_has_them() {
    let mut facts = facts();
    for (subnet, cidr) in facts.subnets.iter_mut().zip(["fd00:1::/64", "fd00:2::/64"]) {
        subnet.cidrs.push(cidr.parse().unwrap());
    }
    facts.client_groups.clear();
    let plan = decide(&facts, &only("rest-api"));
    assert!(lines(&plan)[2].ends_with("endpoints]"), "IPv4 serves an IPv4 cluster: {:?}", lines(&plan));
    assert!(lines(&plan)[1].contains("fd00:1::/64"), "{:?}", lines(&plan));
    facts.cluster.as_mut().unwrap().is_ipv6 = true;
    assert!(lines(&decide(&facts, &only("rest-api")))[2].ends_with("endpoints]"), "IPv4 is all there is");
    facts.services[0].ip_types = vec!["ipv4".to_owned(), "ipv6".to_owned()];
    let plan = assert_settles(facts, &only("rest-api"));
    assert!(lines(&plan)[2].ends_with(", dualstack"), "{:?}", lines(&plan));
}

#[test]
fn subnets_with_only_ipv6_need_a_service_with_ipv6() {
    let mut facts = facts();
    for (subnet, cidr) in facts.subnets.iter_mut().zip(["fd00:1::/64", "fd00:2::/64"]) {
        subnet.cidrs = vec![cidr.parse().unwrap()];
    }
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(change(&plan, "rest-api"), EndpointChange::Blocked);
    let expected = "nodes have only IPv6 addresses in us-east-1a, us-east-1b, and its endpoint has only IPv4";
    assert_eq!(plan.problems[0].message, expected);
    facts.services[0].ip_types = vec!["ipv6".to_owned()];
    let plan = assert_settles(facts, &only("rest-api"));
    assert!(lines(&plan)[2].ends_with(", ipv6"), "{:?}", lines(&plan));
}

#[test]
fn beside_subnets_with_ipv4_those_with_only_ipv6_get_no_address() {
    let mut facts = facts();
    facts.subnets[0].cidrs.push("fd00:1::/64".parse().unwrap());
    facts.subnets[1].cidrs = vec!["fd00:2::/64".parse().unwrap()];
    for (ip_types, created, reason) in [
        (&["ipv4"][..], "endpoints]", "nodes have only IPv6 addresses in us-east-1b: reached by IPv4 only"),
        (
            &["ipv4", "ipv6"],
            "endpoints], dualstack",
            "nodes have only IPv6 addresses in us-east-1b: reached in another zone",
        ),
    ] {
        facts.services[0].ip_types = ip_types.iter().map(|kind| (*kind).to_owned()).collect();
        let plan = assert_settles(facts.clone(), &only("rest-api"));
        let expected = format!("create rest-api in subnet-a with [castai-privatelink-{created}");
        assert_eq!(lines(&plan)[2], expected);
        assert_eq!(plan.endpoints[0].reasons, [reason]);
    }
}

#[test]
fn fargate_profiles_name_the_subnets_of_a_cluster_without_nodes() {
    let mut facts = facts();
    facts.uses = vec![
        used("subnet-a", SubnetReason::FargateProfile("default".to_owned())),
        used("subnet-public", SubnetReason::ControlPlane),
    ];
    let plan = assert_settles(facts, &only("rest-api"));
    assert_eq!(lines(&plan)[2], "create rest-api in subnet-a with [castai-privatelink-endpoints]");
    assert_eq!(plan.subnets[0].reasons, ["Fargate profile default"]);
    assert!(notes(&plan).contains("Fargate only"), "{}", notes(&plan));
}

#[test]
fn pods_with_their_own_subnets_are_admitted_and_their_subnets_not_tagged() {
    let mut facts = facts();
    facts.vpc.cidrs.push("100.64.0.0/16".parse().unwrap());
    facts.subnets.push(subnet("subnet-pods", "us-east-1a", "100.64.0.0/18"));
    facts.uses.push(used("subnet-pods", SubnetReason::Pods("ENIConfig us-east-1a".to_owned())));
    facts.client_groups.clear();
    let plan = assert_settles(facts, &only("rest-api"));
    assert_eq!(
        lines(&plan),
        [
            "create castai-privatelink-endpoints",
            "admit 10.0.1.0/24 10.0.2.0/24 100.64.0.0/18 to castai-privatelink-endpoints",
            "create rest-api in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "tag subnet-a subnet-b",
        ]
    );
    let pods = plan.subnets.iter().find(|subnet| subnet.id == "subnet-pods").unwrap();
    assert_eq!((pods.tag, pods.reasons[0].as_str()), (TagState::NotPlanned, "pods: ENIConfig us-east-1a"));
}

#[test]
fn auto_mode_has_its_subnets_from_node_classes() {
    let mut facts = facts();
    facts.cluster.as_mut().unwrap().is_auto_mode = true;
    facts.uses = vec![used("subnet-b", SubnetReason::NodeClass("NodeClass default".to_owned()))];
    let plan = assert_settles(facts, &only("rest-api"));
    assert_eq!(plan.subnets[0].reasons, ["NodeClass default"]);
    assert!(notes(&plan).contains("EKS Auto Mode"), "{}", notes(&plan));
}

#[test]
fn local_zones_and_zones_without_the_service_use_endpoints_elsewhere() {
    let mut facts = facts();
    facts.subnets.push(subnet("subnet-local", "us-east-1-bos-1a", "10.0.5.0/24"));
    facts.subnets.push(subnet("subnet-e", "us-east-1e", "10.0.6.0/24"));
    facts.uses.push(used("subnet-local", SubnetReason::Nodes(1)));
    facts.uses.push(used("subnet-e", SubnetReason::Nodes(1)));
    let plan = assert_settles(facts.clone(), &only("rest-api"));
    assert_eq!(lines(&plan)[2], "create rest-api in subnet-a subnet-b with [castai-privatelink-endpoints]");
    assert_eq!(plan.endpoints[0].reasons, ["not offered in us-east-1e: reached in another zone"]);
    assert!(notes(&plan).contains("nodes in us-east-1-bos-1a reach"), "{}", notes(&plan));
    // Nodes in such zones only.
    facts.uses.drain(..2);
    let plan = decide(&facts, &only("rest-api"));
    let problem = &plan.problems[0];
    assert!(problem.message.contains("(us-east-1a, us-east-1b, us-east-1c)"), "{problem:?}");
    let settings = PlanSettings { endpoint_subnets: vec!["subnet-public".to_owned()], ..only("rest-api") };
    let plan = assert_settles(facts, &settings);
    assert_eq!(lines(&plan)[2], "create rest-api in subnet-public with [castai-privatelink-endpoints]");
}

#[test]
fn of_several_subnets_in_a_zone_the_one_with_most_room_is_taken() {
    let mut facts = facts();
    facts.uses.push(used("subnet-public", SubnetReason::NodeGroup("ng".to_owned())));
    facts.subnets[2].free_addresses = Some(4000);
    let plan = assert_settles(facts, &only("rest-api"));
    assert_eq!(
        lines(&plan)[2],
        "create rest-api in subnet-public subnet-b with [castai-privatelink-endpoints]"
    );
}

#[test]
fn named_subnets_replace_all_others_and_the_control_plane_is_the_last_resort() {
    let mut facts = facts();
    facts.uses.push(used("subnet-public", SubnetReason::Flag));
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(plan.subnets.iter().map(|subnet| subnet.id.as_str()).collect::<Vec<_>>(), ["subnet-public"]);
    facts.uses = vec![used("subnet-a", SubnetReason::ControlPlane)];
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(plan.subnets[0].reasons, ["control plane"]);
    assert!(notes(&plan).contains("--subnet"), "{}", notes(&plan));
    facts.uses.clear();
    let plan = decide(&facts, &only("rest-api"));
    assert!(plan.actions.is_empty() && plan.problems[0].hint.contains("--subnet"), "{plan:#?}");
}

#[test]
fn a_service_of_another_region_is_used_if_it_allows_that() {
    let mut facts = facts();
    facts.region = "eu-west-1".to_owned();
    for (subnet, zone) in facts.subnets.iter_mut().zip(["eu-west-1a", "eu-west-1b", "eu-west-1a"]) {
        subnet.zone = zone.to_owned();
    }
    let mut settings =
        PlanSettings { services: cast_ai("eu-west-1", Some(REGION), &[]), ..PlanSettings::default() };
    settings.services.truncate(1);
    let plan = decide(&facts, &settings);
    assert!(plan.problems[0].message.contains("does not allow endpoints in eu-west-1"), "{plan:#?}");
    facts.services[0].remote_regions.push("eu-west-1".to_owned());
    let plan = assert_settles(facts, &settings);
    let Action::CreateEndpoint { service_region, subnets, .. } = &plan.actions[2] else {
        panic!("{plan:#?}")
    };
    assert_eq!((service_region.as_deref(), subnets.len()), (Some(REGION), 2));
}

#[test]
fn nodes_that_cannot_be_listed_are_a_problem() {
    let mut facts = facts();
    facts.nodes_unread = Some("cannot list nodes: Forbidden".to_owned());
    // What is known otherwise is planned, but the plan is not complete.
    let plan = decide(&facts, &cast_ai_settings());
    assert!(plan.problems[0].message.ends_with("not known: cannot list nodes: Forbidden"), "{plan:#?}");
    assert!(!plan.actions.is_empty());
    // The control plane's subnets say nothing about nodes.
    facts.uses = vec![used("subnet-a", SubnetReason::ControlPlane)];
    let plan = decide(&facts, &cast_ai_settings());
    assert_eq!((plan.problems.len(), plan.actions.len()), (1, 0));
    // The user knows them.
    facts.uses.push(used("subnet-b", SubnetReason::Flag));
    let plan = decide(&facts, &cast_ai_settings());
    assert_eq!(plan.problems, []);
    assert!(!plan.actions.is_empty());
}
