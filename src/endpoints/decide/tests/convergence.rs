//! Random starting states and interruptions: every order of runs leads to the same end.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// They take less than a second.
const STARTS: u64 = 500;

/// A VPC in which anything of ours, and of others, may exist already or lack something.
fn random_start(random: &mut StdRng) -> VpcFacts {
    let mut facts = facts();
    facts.vpc.dns_support = Some(random.random());
    facts.vpc.dns_hostnames = Some(random.random());
    // What an earlier run did before it was interrupted.
    let plan = decide(&facts, &settings());
    let done = random.random_range(0..=plan.actions.len());
    facts = after(facts, &plan.actions[..done]);
    // What was broken or made by hand.
    for endpoint in &mut facts.endpoints {
        match random.random_range(0..6) {
            0 => endpoint.private_dns = false,
            1 => {
                endpoint.subnets.pop();
            }
            2 => endpoint.groups = vec!["sg-theirs".to_owned()],
            3 => endpoint.tags.clear(),
            _ => {}
        }
    }
    for group in &mut facts.security_groups {
        if random.random() {
            group.ingress.pop();
        }
    }
    facts.security_groups.push(SecurityGroup {
        id: "sg-theirs".to_owned(),
        name: "theirs".to_owned(),
        ..SecurityGroup::default()
    });
    for subnet in &mut facts.subnets {
        match random.random_range(0..4) {
            0 => subnet.tags.clear(),
            1 => {
                subnet.tags.remove(TAGGED_BY);
            }
            _ => {}
        }
    }
    facts
}

fn settings() -> PlanSettings {
    let services = [cast_ai(REGION, None, &[]), aws(REGION, &[])].concat();
    PlanSettings { services, enable_vpc_dns: true, ..PlanSettings::default() }
}

/// What counts at the end: the plan has nothing to do, and each endpoint answers in every zone.
fn assert_ends(facts: &VpcFacts, seed: u64) {
    let plan = decide(facts, &settings());
    assert_eq!(lines(&plan), Vec::<String>::new(), "seed {seed}");
    for service in settings().services {
        let of_service: Vec<_> =
            facts.endpoints.iter().filter(|endpoint| endpoint.service_name == service.service_name).collect();
        let [endpoint] = of_service.as_slice() else {
            panic!("seed {seed}: {} has {of_service:?}", service.name)
        };
        assert!(service.is_gateway || endpoint.private_dns, "seed {seed}: {endpoint:?}");
        assert!(service.is_gateway || endpoint.subnets.len() == 2, "seed {seed}: {endpoint:?}");
    }
    for subnet in facts.subnets.iter().filter(|subnet| subnet.id != "subnet-public") {
        assert_eq!(subnet.tags[ROUTABLE], "true", "seed {seed}");
    }
}

#[test]
fn every_start_and_interruption_leads_to_the_same_end() {
    for seed in 0..STARTS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut facts = random_start(&mut random);
        for service in aws(REGION, &[]).iter().map(|service| service.name.as_str()) {
            facts.services.push(aws_service(service));
        }
        let before = facts.clone();
        // Runs that are interrupted after some actions, then one that is not.
        for _ in 0..random.random_range(0..3) {
            let actions = decide(&facts, &settings()).actions;
            let done = random.random_range(0..=actions.len());
            facts = after(facts, &actions[..done]);
        }
        facts = applied(facts.clone(), &decide(&facts, &settings()));
        assert_ends(&facts, seed);
        // Nothing that existed was taken away.
        for endpoint in &before.endpoints {
            let now = facts.endpoints.iter().find(|now| now.id == endpoint.id).unwrap();
            assert!(endpoint.subnets.iter().all(|subnet| now.subnets.contains(subnet)), "seed {seed}");
            assert!(endpoint.groups.iter().all(|group| now.groups.contains(group)), "seed {seed}");
        }
        assert_removes_ours(&facts, seed);
    }
}

/// Afterwards nothing of ours is left, and everything else is as before.
fn assert_removes_ours(facts: &VpcFacts, seed: u64) {
    let plan = decide_removal(facts, &settings());
    let left = applied(facts.clone(), &plan);
    let is_ours = |tags: &BTreeMap<String, String>| tags.contains_key(MANAGED_BY);
    assert!(!left.endpoints.iter().any(|endpoint| is_ours(&endpoint.tags)), "seed {seed}");
    let kept = |facts: &VpcFacts| {
        let others = facts.endpoints.iter().filter(|endpoint| !is_ours(&endpoint.tags));
        others.map(|endpoint| (endpoint.id.clone(), endpoint.subnets.clone())).collect::<Vec<_>>()
    };
    assert_eq!(kept(&left), kept(facts), "seed {seed}");
    for (before, now) in facts.subnets.iter().zip(&left.subnets) {
        assert!(!now.tags.contains_key(TAGGED_BY), "seed {seed}");
        let is_theirs = before.tags.contains_key(ROUTABLE) && !before.tags.contains_key(TAGGED_BY);
        assert_eq!(now.tags.contains_key(ROUTABLE), is_theirs, "seed {seed}");
    }
    // A group stays only with an endpoint of others whose only group it is; that is said.
    for group in left.security_groups.iter().filter(|group| is_ours(&group.tags)) {
        let mut users = left.endpoints.iter().filter(|endpoint| endpoint.groups.contains(&group.id));
        let has_others = |endpoint: &Endpoint| endpoint.groups.contains(&"sg-theirs".to_owned());
        assert!(users.any(|endpoint| !has_others(endpoint)), "seed {seed}: {left:#?}");
        assert!(!plan.problems.is_empty(), "seed {seed}");
    }
}
