//! Random mixes of faults: the causes that preflight names are exactly the faults. `TEST_SEED=N` sets the seed, `TEST_LONG`
//! tries 300 mixes instead of 30.
//!
//! Faults that hide each other are not told apart: which ones do is derived from the requirements of the checks in
//! `docs/checks.md`. Recall and precision are printed.

use std::collections::BTreeSet;

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use lab::castai::Fault;
use lab::host::Lab;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::vpc::{change, described, endpoint};
use super::{
    explains_public_addresses, fault, findings, preflight_with_any_code, reset_lab, skipped_by, text,
};
use crate::harness::{complete_lab, ec2};

/// The lowest share of causes that have to be right, in both directions.
const GOOD: f64 = 0.99;

/// Services of Cast AI by their order in the table, with the host that components use, and those of AWS.
const CAST_AI: [(&str, usize, &str); 3] = [
    ("rest-api", 0, "api.cast.ai"),
    ("kvisor", 4, "kvisor.prod-master.cast.ai"),
    ("telemetry", 5, "telemetry.prod-master.cast.ai"),
];
const AWS: [&str; 5] = ["ecr.api", "ecr.dkr", "sts", "ec2", "s3"];

/// A fault of one subject, by the code of the check that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Injected {
    code: &'static str,
    subject: &'static str,
}

/// What can go wrong with an endpoint of Cast AI.
const OF_ENDPOINTS: [&str; 7] = ["CPL420", "CPL421", "CPL422", "CPL423", "CPL424", "CPL425", "CPL428"];
/// What can go wrong with a server.
const OF_HOSTS: [&str; 3] = ["CPL230", "CPL231", "CPL240"];

fn all() -> Vec<Injected> {
    let mut all = Vec::new();
    for (service, _, host) in CAST_AI {
        all.extend(OF_ENDPOINTS.map(|code| Injected { code, subject: service }));
        let of_host = OF_HOSTS.iter().filter(|code| **code != "CPL240" || service == "rest-api");
        all.extend(of_host.map(|code| Injected { code, subject: host }));
    }
    for service in AWS {
        all.extend(["CPL420", "CPL426"].map(|code| Injected { code, subject: service }));
    }
    all.push(Injected { code: "CPL429", subject: "s3" });
    all.extend(SUBNETS.map(|(subject, ..)| Injected { code: "CPL410", subject }));
    all.extend(["CPL403", "CPL404"].map(|code| Injected { code, subject: VPC_ID }));
    all
}

impl Injected {
    /// The service that it is about, if it is about one.
    fn service(self) -> Option<&'static str> {
        let of_host = CAST_AI.iter().find(|(_, _, host)| *host == self.subject).map(|(service, ..)| *service);
        of_host.or_else(|| {
            let mut services = CAST_AI.iter().map(|(service, ..)| *service).chain(AWS);
            services.find(|service| *service == self.subject)
        })
    }

    /// Whether it cannot be seen while `other` is there.
    fn is_hidden_by(self, other: Self) -> bool {
        if self == other {
            return false;
        }
        let is_skipped = skipped_by(other.code).contains(self.code);
        if other.subject == VPC_ID {
            // Checks of endpoints may require one of the VPC.
            return is_skipped;
        }
        let is_same = self.service().is_some() && self.service() == other.service();
        if !is_same {
            return false;
        }
        // Without an endpoint there is nothing to judge, and a name that leads elsewhere hides the server.
        let is_of_host = self.subject.contains(".cast.ai");
        other.code == "CPL420" || is_skipped || is_of_host && explains_public_addresses(other.code)
    }

    fn inject(self, lab: &Lab, names: &mut serde_json::Map<String, Value>) {
        let full = || match CAST_AI.iter().find(|(service, ..)| *service == self.subject) {
            Some((_, index, _)) => cast_ai_services()[*index].0.clone(),
            None => format!("com.amazonaws.{REGION}.{}", self.subject),
        };
        let set = |fault_of_host: Fault| fault(lab, self.subject, &fault_of_host);
        match self.code {
            "CPL230" => set(Fault::OtherName { name: "other.example".to_owned() }),
            "CPL231" => set(Fault::Expiring { days: 10 }),
            "CPL240" => set(Fault::Http { status: 503 }),
            "CPL403" => {
                ec2(
                    lab,
                    "ModifyVpcAttribute",
                    &json!({"VpcId": VPC_ID, "EnableDnsHostnames.Value": "false"}),
                );
            }
            "CPL404" => {
                let create = json!({"Action": "CreateDhcpOptions", "DhcpConfiguration.1.Key": "domain-name-servers",
                    "DhcpConfiguration.1.Value.1": "10.0.0.53"});
                let id = described(lab, &create, "dhcpOptionsId");
                ec2(lab, "AssociateDhcpOptions", &json!({"VpcId": VPC_ID, "DhcpOptionsId": id}));
            }
            "CPL410" => {
                ec2(
                    lab,
                    "DeleteTags",
                    &json!({"ResourceId.1": self.subject, "Tag.1.Key": "cast.ai/routable"}),
                );
            }
            "CPL420" => {
                ec2(lab, "DeleteVpcEndpoints", &json!({"VpcEndpointId.1": endpoint(lab, &full())}));
                ec2(lab, "DescribeVpcEndpoints", &json!({}));
            }
            "CPL421" => {
                names.insert(self.subject.to_owned(), json!({"host": "other.example"}));
                lab.control().put("/aws/services", &*names).expect("the services are set");
            }
            "CPL422" => change(lab, &full(), &json!({"state": "pendingAcceptance"})),
            "CPL423" => change(lab, &full(), &json!({"private_dns": false})),
            "CPL424" => change(lab, &full(), &json!({"subnets": [SUBNETS[0].0]})),
            "CPL425" => {
                let create = json!({"Action": "CreateSecurityGroup", "VpcId": VPC_ID,
                    "GroupName": format!("closed-{}", self.subject), "GroupDescription": "closed"});
                change(lab, &full(), &json!({"groups": [described(lab, &create, "groupId")]}));
            }
            "CPL426" => {
                let policy = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]});
                change(lab, &full(), &json!({"policy": policy.to_string()}));
            }
            "CPL428" => {
                ec2(
                    lab,
                    "CreateVpcEndpoint",
                    &json!({"VpcId": VPC_ID, "VpcEndpointType": "Interface", "ServiceName": full(),
                        "SubnetId.1": SUBNETS[0].0, "SecurityGroupId.1": CLUSTER_GROUP, "PrivateDnsEnabled": "false"}),
                );
                ec2(lab, "DescribeVpcEndpoints", &json!({}));
            }
            "CPL429" => change(lab, &full(), &json!({"route_tables": []})),
            other => unreachable!("{other} is not injected"),
        }
    }
}

/// One to four faults that can be told apart.
fn mix(random: &mut StdRng) -> Vec<Injected> {
    let all = all();
    loop {
        let count = random.random_range(1..=4);
        let chosen: Vec<_> = all.choose_multiple(random, count).copied().collect();
        let is_hidden = |one: &Injected| chosen.iter().any(|other| one.is_hidden_by(*other));
        if !chosen.iter().any(is_hidden) {
            return chosen;
        }
    }
}

fn seed() -> u64 {
    std::env::var("TEST_SEED").map_or(13, |given| given.parse().expect("TEST_SEED is a number"))
}

/// `CODE subject` of every cause that the report names.
fn named(report: &Value) -> BTreeSet<String> {
    let is_cause = |finding: &&Value| {
        ["Fail", "Warn", "Unknown"].contains(&text(finding, "result")) && finding["causedBy"].is_null()
    };
    let causes = findings(report).iter().filter(is_cause);
    causes.map(|cause| format!("{} {}", text(cause, "code"), text(&cause["subject"], "name"))).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "a failure shows where it happened")]
fn the_causes_that_are_named_are_the_faults() {
    let lab = complete_lab();
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let rounds = if std::env::var_os("TEST_LONG").is_some() { 300 } else { 30 };
    let (mut right, mut missed, mut wrong) = (0, 0, 0);
    for round in 0..rounds {
        let faults = mix(&mut random);
        let mut names = serde_json::Map::new();
        for injected in &faults {
            injected.inject(&lab, &mut names);
        }
        let expected: BTreeSet<_> =
            faults.iter().map(|injected| format!("{} {}", injected.code, injected.subject)).collect();
        let named = named(&preflight_with_any_code(&lab));
        right += named.intersection(&expected).count();
        missed += expected.difference(&named).count();
        wrong += named.difference(&expected).count();
        if named != expected {
            println!("TEST_SEED={seed} round {round}: {expected:?}, but named were {named:?}");
        }
        reset_lab(&lab);
    }
    #[expect(clippy::cast_precision_loss, reason = "at most some thousands")]
    let share = |others: usize| right as f64 / (right + others) as f64;
    let (recall, precision) = (share(missed), share(wrong));
    println!("TEST_SEED={seed}: {rounds} mixes, recall {recall:.3}, precision {precision:.3}");
    assert!(recall >= GOOD && precision >= GOOD, "TEST_SEED={seed}: recall {recall}, precision {precision}");
}
