use super::*;
use crate::endpoints::decide::decide;
use crate::endpoints::decide::tests::{applied, cast_ai_settings, facts};
use crate::endpoints::facts::{HostedZone, SubnetReason};

fn settings() -> PlanSettings {
    PlanSettings { enable_vpc_dns: true, ..cast_ai_settings() }
}

fn list(facts: &VpcFacts) -> EndpointList {
    let settings = settings();
    EndpointList::new(facts, &settings, &decide(facts, &settings))
}

/// The VPC after a complete run.
fn complete() -> VpcFacts {
    let facts = facts();
    let plan = decide(&facts, &settings());
    applied(facts, &plan)
}

/// A change of the facts.
type Change = fn(&mut VpcFacts);

#[test]
fn only_what_was_looked_at_and_lacks_nothing_is_complete() {
    use ServiceStatus::{Blocked, Complete, Incomplete, Missing, NotNeeded, Unknown};
    let cases: [(&str, Change, ServiceStatus, &[&str]); 19] = [
        ("nothing", |_| {}, Complete, &[]),
        ("no endpoint", |facts| facts.endpoints.clear(), Missing, &["the endpoint"]),
        ("private DNS is off", |facts| facts.endpoints[0].private_dns = false, Incomplete, &["private DNS"]),
        (
            "private DNS is off, and the service has no private name: plan changes nothing",
            |facts| {
                facts.endpoints[0].private_dns = false;
                facts.services[0].private_dns_names.clear();
            },
            Incomplete,
            &["private DNS"],
        ),
        (
            "one zone less, and two things at once",
            |facts| {
                facts.endpoints[0].subnets.truncate(1);
                facts.endpoints[0].groups.clear();
            },
            Incomplete,
            &["an address in us-east-1b", "a security group that admits its clients"],
        ),
        (
            "a rule of our group is gone: plan changes the group and not the endpoint",
            |facts| facts.security_groups[1].ingress.clear(),
            Incomplete,
            &["a rule in sg-castai-privatelink-endpoints for sg-nodes"],
        ),
        (
            "an attribute of the VPC was turned off",
            |facts| facts.vpc.dns_hostnames = Some(false),
            Incomplete,
            &["enableDnsHostnames of vpc-1"],
        ),
        (
            "an attribute could not be read",
            |facts| facts.vpc.dns_support = None,
            Unknown,
            &["enableDnsSupport of vpc-1"],
        ),
        (
            "EC2 is creating it",
            |facts| facts.endpoints[0].state = "pending".to_owned(),
            Incomplete,
            &["the state available"],
        ),
        (
            "it waits for Cast AI",
            |facts| facts.endpoints[0].state = "pendingAcceptance".to_owned(),
            Incomplete,
            &["acceptance by Cast AI"],
        ),
        (
            "Cast AI rejected it",
            |facts| facts.endpoints[0].state = "rejected".to_owned(),
            Blocked,
            &["Cast AI rejected vpce-rest-api"],
        ),
        (
            "a hub answers for its name",
            |facts| {
                facts.endpoints.clear();
                let (id, name) = ("Z1".to_owned(), "api.cast.ai".to_owned());
                facts.hosted_zones = vec![HostedZone { id, name, owner: "1".to_owned() }];
            },
            NotNeeded,
            &["the private hosted zone api.cast.ai (Z1, owned by 1) answers for its name"],
        ),
        (
            "nodes could not be listed",
            |facts| facts.nodes_unread = Some("forbidden".to_owned()),
            Unknown,
            &["the subnets of all nodes"],
        ),
        (
            "only the control plane names a subnet",
            |facts| {
                facts.nodes_unread = Some("forbidden".to_owned());
                facts.uses.iter_mut().for_each(|used| used.reason = SubnetReason::ControlPlane);
            },
            Unknown,
            &["the subnets of the nodes"],
        ),
        (
            "a group of others has our name, and theirs admits no client",
            |facts| {
                facts.security_groups[1].tags.clear();
                facts.security_groups[1].ingress.clear();
            },
            Blocked,
            &[
                "it has the name castai-privatelink-endpoints and lacks this plugin's tags, so that no endpoint can be created",
            ],
        ),
        (
            "the subnet of a zone is full",
            |facts| {
                facts.endpoints[0].subnets.truncate(1);
                facts.subnets[1].free_addresses = Some(0);
            },
            Incomplete,
            &["no address for it in us-east-1b: subnet-b has no free one"],
        ),
        (
            "nodes have only IPv6 addresses",
            |facts| {
                for (subnet, cidr) in facts.subnets.iter_mut().zip(["fd00:1::/64", "fd00:2::/64"]) {
                    subnet.cidrs = vec![cidr.parse().unwrap()];
                }
            },
            Incomplete,
            &["nodes have only IPv6 addresses in us-east-1a, us-east-1b, and its endpoint has only IPv4"],
        ),
        ("no subnet of a node", |facts| facts.uses.clear(), Unknown, &["the subnets of the nodes"]),
        (
            "a participant of a shared VPC does not see the endpoints of its owner",
            |facts| {
                facts.endpoints.clear();
                facts.vpc.owner = Some("999999999999".to_owned());
            },
            Unknown,
            &["the view of the VPC's owner"],
        ),
    ];
    for (what, change, status, missing) in cases {
        let mut facts = complete();
        change(&mut facts);
        let list = list(&facts);
        let first = &list.services[0];
        let found: Vec<_> = first.missing.iter().map(String::as_str).collect();
        assert_eq!((first.status, found.as_slice()), (status, missing), "{what}");
        assert_eq!(list.services.len(), 6, "{what}: every service is listed");
        // `complete` says no more than `plan`.
        let of_first = |problem: &Problem| problem.subject == "rest-api";
        assert!(status != Complete || !list.problems.iter().any(of_first), "{what}: {:?}", list.problems);
        let has_problem = missing == ["acceptance by Cast AI"]
            || missing.iter().any(|one| one.contains(" only IPv4") || one.contains("no free one"))
            || what.contains("has no private name");
        let needs_attention = matches!(status, Blocked | Unknown) || has_problem;
        assert_eq!(list.needs_attention(), needs_attention, "{what}: {:?}", list.problems);
    }
}

#[test]
fn endpoints_that_nothing_uses_are_listed_apart() {
    let mut facts = complete();
    let spare = |id: &str, service_name: &str| Endpoint {
        id: id.to_owned(),
        service_name: service_name.to_owned(),
        state: "available".to_owned(),
        ..Endpoint::default()
    };
    let own = facts.endpoints[0].service_name.clone();
    let elsewhere = services()[0].service_name("us-east-2").unwrap();
    facts.endpoints.extend([
        spare("vpce-second", &own),
        spare("vpce-elsewhere", &elsewhere),
        spare("vpce-foreign", "com.amazonaws.vpce.us-east-1.vpce-svc-of-others"),
        Endpoint { state: "deleting".to_owned(), ..spare("vpce-gone", &own) },
    ]);
    let list = list(&facts);
    let others: Vec<_> =
        list.others.iter().map(|other| (&*other.endpoint.id, &*other.name, &*other.reason)).collect();
    assert_eq!(
        others,
        [
            ("vpce-second", "rest-api", "another endpoint of this service is used"),
            ("vpce-elsewhere", "rest-api", "its service is not one of those listed"),
        ]
    );
    let used = list.services[0].endpoint.as_ref().unwrap();
    assert_eq!((used.id.as_str(), used.is_managed), ("vpce-rest-api", true));
    assert_eq!(used.subnets[0].zone.as_deref(), Some("us-east-1a"));
    assert_eq!(list.count(ServiceStatus::Complete), 6);
}
