//! One scenario per topology, and one per thing that can be missing.

mod adoption;
mod convergence;
mod removal;
mod topologies;

use std::collections::BTreeMap;

use super::*;
use crate::endpoints::facts::{
    Cluster, Endpoint, RouteTable, Rule, RuleSource, SecurityGroup, Service, Subnet, SubnetReason, SubnetUse,
    Vpc,
};
use crate::endpoints::plan::{GROUP_FOR, GroupRef, ROUTABLE, TAGGED_BY, TagState};
use crate::endpoints::settings::{Peer, aws, cast_ai};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";
const VPC: &str = "vpc-1";

pub(in crate::endpoints) fn subnet(id: &str, zone: &str, cidr: &str) -> Subnet {
    Subnet {
        id: id.to_owned(),
        owner: Some(ACCOUNT.to_owned()),
        zone: zone.to_owned(),
        cidrs: vec![cidr.parse().unwrap()],
        free_addresses: Some(200),
        ..Subnet::default()
    }
}

fn used(subnet: &str, reason: SubnetReason) -> SubnetUse {
    SubnetUse { subnet: subnet.to_owned(), reason }
}

/// A cluster with nodes in two zones of a VPC without endpoints; a third subnet is not the cluster's.
pub(in crate::endpoints) fn facts() -> VpcFacts {
    let services = cast_ai(REGION, None, &[]).into_iter().map(|service| Service {
        private_dns_names: service.hosts.first().cloned().into_iter().collect(),
        name: service.service_name,
        zones: ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned).to_vec(),
        is_name_verified: Some(true),
        ip_types: vec!["ipv4".to_owned()],
        ..Service::default()
    });
    let mut services: Vec<_> = services.collect();
    services[3].private_dns_names = vec!["files.example".to_owned()];
    VpcFacts {
        region: REGION.to_owned(),
        account: Some(ACCOUNT.to_owned()),
        cluster: Some(Cluster { name: "demo".to_owned(), ..Cluster::default() }),
        vpc: Vpc {
            id: VPC.to_owned(),
            owner: Some(ACCOUNT.to_owned()),
            cidrs: vec!["10.0.0.0/16".parse().unwrap()],
            dns_support: Some(true),
            dns_hostnames: Some(true),
            dhcp_options: None,
        },
        subnets: vec![
            subnet("subnet-a", "us-east-1a", "10.0.1.0/24"),
            subnet("subnet-b", "us-east-1b", "10.0.2.0/24"),
            subnet("subnet-public", "us-east-1a", "10.0.9.0/24"),
        ],
        uses: vec![used("subnet-a", SubnetReason::Nodes(2)), used("subnet-b", SubnetReason::Nodes(1))],
        client_groups: ["sg-nodes".to_owned()].into(),
        security_groups: vec![SecurityGroup { id: "sg-nodes".to_owned(), ..SecurityGroup::default() }],
        services,
        route_tables: vec![
            RouteTable { id: "rtb-main".to_owned(), is_main: true, ..RouteTable::default() },
            RouteTable {
                id: "rtb-a".to_owned(),
                subnets: vec!["subnet-a".to_owned()],
                ..RouteTable::default()
            },
        ],
        ..VpcFacts::default()
    }
}

pub(in crate::endpoints) fn cast_ai_settings() -> PlanSettings {
    PlanSettings { services: cast_ai(REGION, None, &[]), ..PlanSettings::default() }
}

fn only(name: &str) -> PlanSettings {
    let mut settings = cast_ai_settings();
    settings.services.retain(|service| service.name == name);
    settings
}

pub(in crate::endpoints) fn with_aws() -> PlanSettings {
    PlanSettings { services: aws(REGION, &[]), ..PlanSettings::default() }
}

pub(in crate::endpoints) fn aws_service(name: &str) -> Service {
    Service {
        name: format!("com.amazonaws.{REGION}.{name}"),
        zones: ["us-east-1a", "us-east-1b"].map(str::to_owned).to_vec(),
        private_dns_names: vec![format!("{name}.{REGION}.amazonaws.com")],
        is_name_verified: Some(true),
        ..Service::default()
    }
}

/// The actions, each in one line.
fn lines(plan: &EndpointPlan) -> Vec<String> {
    plan.actions.iter().map(line).collect()
}

fn line(action: &Action) -> String {
    let of_groups = |groups: &[GroupRef]| {
        let names = groups.iter().map(|group| match group {
            GroupRef::Id(name) | GroupRef::Name(name) => name.as_str(),
        });
        names.collect::<Vec<_>>().join(" ")
    };
    match action {
        Action::EnableVpcAttribute { attribute, .. } => format!("enable {attribute}"),
        Action::CreateSecurityGroup { name, .. } => format!("create {name}"),
        Action::AuthorizeIngress { group, peers } => {
            let peers = peers.iter().map(|peer| match peer {
                Peer::Group(id) => id.clone(),
                Peer::Cidr(cidr) => cidr.to_string(),
            });
            let group = of_groups(std::slice::from_ref(group));
            format!("admit {} to {group}", peers.collect::<Vec<_>>().join(" "))
        }
        Action::CreateEndpoint { service, subnets, groups, route_tables, private_dns, ip_type, .. } => {
            let places = [subnets.as_slice(), route_tables].concat().join(" ");
            let dns = if *private_dns { "" } else { ", no private DNS" };
            let kind = ip_type.map(|kind| format!(", {kind}")).unwrap_or_default();
            format!("create {service} in {places} with [{}]{dns}{kind}", of_groups(groups))
        }
        Action::ModifyEndpoint {
            id, add_subnets, add_groups, add_route_tables, enable_private_dns, ..
        } => {
            let added = [add_subnets.as_slice(), add_route_tables].concat().join(" ");
            let dns = if *enable_private_dns { ", private DNS" } else { "" };
            format!("modify {id}: +[{added}] +[{}]{dns}", of_groups(add_groups))
        }
        Action::TagSubnets { subnets, tags } => {
            assert_eq!((tags[ROUTABLE].as_str(), tags.contains_key(TAGGED_BY)), ("true", true));
            format!("tag {}", subnets.join(" "))
        }
        Action::DeleteEndpoint { id, .. } | Action::DeleteSecurityGroup { id, .. } => format!("delete {id}"),
        Action::DetachGroup { id, group, .. } => format!("detach {group} from {id}"),
        Action::UntagSubnets { subnets, tags } => {
            assert_eq!(tags[ROUTABLE], "true");
            format!("untag {}", subnets.join(" "))
        }
    }
}

fn change(plan: &EndpointPlan, name: &str) -> EndpointChange {
    plan.endpoints.iter().find(|endpoint| endpoint.name == name).unwrap().change
}

/// The facts after the plan was carried out.
pub(in crate::endpoints) fn applied(facts: VpcFacts, plan: &EndpointPlan) -> VpcFacts {
    after(facts, &plan.actions)
}

/// The facts after `actions`.
fn after(mut facts: VpcFacts, actions: &[Action]) -> VpcFacts {
    let id = |group: &GroupRef| match group {
        GroupRef::Id(id) => id.clone(),
        GroupRef::Name(name) => format!("sg-{name}"),
    };
    for action in actions {
        match action {
            Action::EnableVpcAttribute { attribute: "enableDnsSupport", .. } => {
                facts.vpc.dns_support = Some(true);
            }
            Action::EnableVpcAttribute { .. } => facts.vpc.dns_hostnames = Some(true),
            Action::CreateSecurityGroup { name, tags, .. } => facts.security_groups.push(SecurityGroup {
                id: format!("sg-{name}"),
                name: name.clone(),
                tags: tags.clone(),
                ingress: Vec::new(),
            }),
            Action::AuthorizeIngress { group, peers } => {
                let group = id(group);
                let group = facts.security_groups.iter_mut().find(|known| known.id == group).unwrap();
                group.ingress.extend(peers.iter().map(|peer| Rule {
                    admits_https: true,
                    source: match peer {
                        Peer::Group(id) => RuleSource::Group(id.clone()),
                        Peer::Cidr(cidr) => RuleSource::Cidr(*cidr),
                    },
                }));
            }
            Action::CreateEndpoint {
                service,
                service_name,
                is_gateway,
                subnets,
                groups,
                route_tables,
                private_dns,
                tags,
                ..
            } => facts.endpoints.push(Endpoint {
                id: format!("vpce-{service}"),
                service_name: service_name.clone(),
                is_gateway: *is_gateway,
                state: "available".to_owned(),
                private_dns: *private_dns,
                subnets: subnets.clone(),
                groups: groups.iter().map(id).collect(),
                route_tables: route_tables.clone(),
                tags: tags.clone(),
                ..Endpoint::default()
            }),
            Action::ModifyEndpoint {
                id: endpoint,
                add_subnets,
                add_groups,
                add_route_tables,
                enable_private_dns,
                ..
            } => {
                let endpoint = facts.endpoints.iter_mut().find(|known| known.id == *endpoint).unwrap();
                endpoint.subnets.extend_from_slice(add_subnets);
                endpoint.groups.extend(add_groups.iter().map(id));
                endpoint.route_tables.extend_from_slice(add_route_tables);
                endpoint.private_dns |= enable_private_dns;
            }
            Action::TagSubnets { subnets, tags } => {
                for subnet in facts.subnets.iter_mut().filter(|subnet| subnets.contains(&subnet.id)) {
                    subnet.tags.extend(tags.clone());
                }
            }
            Action::DeleteEndpoint { id, .. } => facts.endpoints.retain(|endpoint| endpoint.id != *id),
            Action::DetachGroup { id, group, .. } => {
                let endpoint = facts.endpoints.iter_mut().find(|known| known.id == *id).unwrap();
                endpoint.groups.retain(|known| known != group);
                assert!(!endpoint.groups.is_empty(), "EC2 keeps one group");
            }
            Action::DeleteSecurityGroup { id, .. } => {
                let is_used = facts.endpoints.iter().any(|endpoint| endpoint.groups.contains(id));
                assert!(!is_used, "EC2 refuses to delete {id}, which is in use");
                facts.security_groups.retain(|group| group.id != *id);
            }
            Action::UntagSubnets { subnets, tags } => {
                for subnet in facts.subnets.iter_mut().filter(|subnet| subnets.contains(&subnet.id)) {
                    subnet.tags.retain(|key, value| tags.get(key) != Some(value));
                }
            }
        }
    }
    facts
}

/// Asserts that a second run has nothing to do after the first one.
#[track_caller]
fn assert_settles(facts: VpcFacts, settings: &PlanSettings) -> EndpointPlan {
    let plan = decide(&facts, settings);
    let again = decide(&applied(facts, &plan), settings);
    assert_eq!(lines(&again), Vec::<String>::new(), "after {:#?}", lines(&plan));
    plan
}

#[test]
fn a_vpc_without_endpoints_gets_one_per_service() {
    let plan = assert_settles(facts(), &cast_ai_settings());
    assert_eq!(
        lines(&plan),
        [
            "create castai-privatelink-endpoints",
            "admit sg-nodes to castai-privatelink-endpoints",
            "create rest-api in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "create grpc-pod-pinner in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "create api-grpc in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "create files in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "create kvisor in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "create telemetry in subnet-a subnet-b with [castai-privatelink-endpoints]",
            "tag subnet-a subnet-b",
        ]
    );
    assert_eq!((plan.cost.endpoint_zones, plan.cost.hourly_usd), (12, Some(0.12)));
    assert_eq!(plan.redirection, None, "only Cast AI's names change");
    assert!(plan.problems.is_empty() && plan.notes.is_empty(), "{plan:#?}");
    assert_eq!(plan.subnets[0].reasons, ["2 nodes"]);
}

#[test]
fn without_security_groups_the_blocks_of_the_subnets_are_admitted() {
    let facts = VpcFacts { client_groups: [].into(), ..facts() };
    let plan = assert_settles(facts, &only("rest-api"));
    assert_eq!(lines(&plan)[1], "admit 10.0.1.0/24 10.0.2.0/24 to castai-privatelink-endpoints");
    let mut settings = only("rest-api");
    settings.admit = vec![Peer::Cidr("10.8.0.0/16".parse().unwrap())];
    settings.tags = BTreeMap::from([("team".to_owned(), "platform".to_owned())]);
    let plan = decide(&self::facts(), &settings);
    assert_eq!(lines(&plan)[1], "admit sg-nodes 10.8.0.0/16 to castai-privatelink-endpoints");
    let Action::CreateEndpoint { tags, .. } = &plan.actions[2] else { panic!("{plan:#?}") };
    assert_eq!((tags["team"].as_str(), tags[MANAGED_BY].as_str()), ("platform", PLUGIN));
}

#[test]
fn vpc_attributes_are_set_only_if_that_is_allowed() {
    let mut facts = facts();
    facts.vpc.dns_hostnames = Some(false);
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(lines(&plan), ["tag subnet-a subnet-b"]);
    assert_eq!(change(&plan, "rest-api"), EndpointChange::Blocked);
    assert!(plan.problems[0].message.contains("needs enableDnsHostnames, off now"), "{plan:#?}");
    let settings = PlanSettings { enable_vpc_dns: true, ..only("rest-api") };
    let plan = assert_settles(facts.clone(), &settings);
    assert_eq!(lines(&plan)[0], "enable enableDnsHostnames");
    // What is not known is tried.
    facts.vpc.dns_hostnames = None;
    assert_eq!(change(&decide(&facts, &only("rest-api")), "rest-api"), EndpointChange::Create);
}

#[test]
fn aws_endpoints_admit_the_whole_vpc_and_list_what_they_redirect() {
    let mut facts = facts();
    facts.vpc.cidrs.push("100.64.0.0/16".parse().unwrap());
    facts.services.extend(["ecr.api", "ecr.dkr", "sts", "ec2"].map(aws_service));
    let plan = assert_settles(facts, &with_aws());
    assert_eq!(
        lines(&plan),
        [
            "create castai-privatelink-aws-endpoints",
            "admit 10.0.0.0/16 100.64.0.0/16 to castai-privatelink-aws-endpoints",
            "create ecr.api in subnet-a subnet-b with [castai-privatelink-aws-endpoints]",
            "create ecr.dkr in subnet-a subnet-b with [castai-privatelink-aws-endpoints]",
            "create s3 in rtb-a rtb-main with [], no private DNS",
            "create sts in subnet-a subnet-b with [castai-privatelink-aws-endpoints]",
            "create ec2 in subnet-a subnet-b with [castai-privatelink-aws-endpoints]",
            "tag subnet-a subnet-b",
        ]
    );
    let redirection = plan.redirection.unwrap();
    assert_eq!(redirection.services, ["ecr.api", "ecr.dkr", "sts", "ec2"]);
    assert_eq!(redirection.subnets, ["subnet-a", "subnet-b", "subnet-public"]);
    // A gateway costs nothing.
    assert_eq!(plan.cost.endpoint_zones, 8);
}

#[test]
fn a_service_that_ec2_does_not_describe_is_created_with_a_note() {
    let facts = VpcFacts { services: Vec::new(), ..facts() };
    let plan = assert_settles(facts, &only("files"));
    assert_eq!(lines(&plan)[2], "create files in subnet-a subnet-b with [castai-privatelink-endpoints]");
    assert!(
        plan.notes[0].contains("does not describe files (com.amazonaws.vpce.us-east-1."),
        "{:?}",
        plan.notes
    );
    assert!(plan.notes[0].contains(ACCOUNT), "{:?}", plan.notes);
    // Those of AWS are not for Cast AI to allow.
    let services = [only("files").services, aws(REGION, &["logs".to_owned()])].concat();
    let plan = decide(
        &VpcFacts { services: Vec::new(), ..self::facts() },
        &PlanSettings { services, ..only("files") },
    );
    let [of_cast_ai, of_aws] = plan.notes.as_slice() else { panic!("{:?}", plan.notes) };
    assert!(of_cast_ai.contains("ask Cast AI") && !of_cast_ai.contains("logs"), "{of_cast_ai}");
    assert!(of_aws.contains("ask AWS") && of_aws.contains("logs ("), "{of_aws}");
}

#[test]
fn services_that_nothing_names_are_noted() {
    let settings = PlanSettings { unnamed: vec!["kvisor", "files"], ..only("rest-api") };
    let plan = decide(&facts(), &settings);
    assert!(plan.notes[0].starts_with("no endpoint service is known for kvisor, files"), "{:?}", plan.notes);
}

#[test]
fn a_service_without_a_usable_name_is_not_silently_created() {
    let with = |verified, names: Vec<String>| {
        let mut facts = facts();
        facts.services[0].is_name_verified = verified;
        facts.services[0].private_dns_names = names;
        facts.services[0].acceptance_required = true;
        decide(&facts, &only("rest-api"))
    };
    let plan = with(Some(false), vec!["api.cast.ai".to_owned()]);
    assert!(lines(&plan)[2].ends_with("endpoints]"), "{:?}", lines(&plan));
    assert!(plan.notes[0].contains("has not verified"), "{:?}", plan.notes);
    assert_eq!(plan.endpoints[0].reasons, ["Cast AI has to accept it"]);
    let plan = with(Some(true), Vec::new());
    assert!(lines(&plan)[2].ends_with("endpoints], no private DNS"), "{:?}", lines(&plan));
    assert!(plan.problems[0].message.contains("it has no private DNS name"), "{plan:#?}");
    assert_eq!(plan.endpoints[0].hosts, Vec::<String>::new());
    let plan = with(Some(true), vec!["kvisor.prod-master.cast.ai".to_owned()]);
    assert_eq!(change(&plan, "rest-api"), EndpointChange::Blocked);
    assert!(plan.problems[0].message.contains("is not rest-api: its private name is kvisor"), "{plan:#?}");
}

#[test]
fn the_price_of_an_unknown_region_is_not_guessed() {
    assert_eq!(cost("ap-south-2", 3), Cost { endpoint_zones: 3, hourly_usd: None });
}

#[test]
fn a_tag_with_another_value_is_not_changed() {
    let mut facts = facts();
    facts.subnets[0].tags.insert(ROUTABLE.to_owned(), "false".to_owned());
    facts.subnets[1].tags.insert(ROUTABLE.to_owned(), "true".to_owned());
    let plan = decide(&facts, &only("rest-api"));
    assert_eq!(plan.subnets[0].tag, TagState::OtherValue);
    assert!(plan.notes[0].starts_with("subnet-a has cast.ai/routable=false, which is kept"), "{plan:#?}");
    assert_eq!(plan.subnets[1].tag, TagState::Present);
    assert!(!lines(&plan).iter().any(|line| line.starts_with("tag")), "{:?}", lines(&plan));
    let settings = PlanSettings { no_subnet_tags: true, ..only("rest-api") };
    assert!(!lines(&decide(&self::facts(), &settings)).iter().any(|line| line.starts_with("tag")));
}
