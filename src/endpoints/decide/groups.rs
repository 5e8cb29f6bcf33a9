//! Security groups: who has to be admitted to an endpoint, who is, and what our own groups lack.
//!
//! Cast AI's endpoints admit the nodes and pods of the cluster. Endpoints of AWS take over their names in the whole VPC, so
//! they admit the whole VPC.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::our_tags;
use super::subnets::Used;
use crate::endpoints::facts::{Endpoint, RuleSource, SecurityGroup, SubnetReason, VpcFacts};
use crate::endpoints::plan::{Action, GROUP_FOR, GroupRef, MANAGED_BY, PLUGIN, Problem};
use crate::endpoints::settings::{Peer, PlanSettings, Provider};
use crate::printable::one_line;

/// Longest list of names, in characters.
const NAMES_LIMIT: usize = 500;

/// Our two security groups, and what the endpoints need of them.
pub(super) struct Groups<'f> {
    facts: &'f VpcFacts,
    settings: &'f PlanSettings,
    /// Where members of the clients' groups have their addresses, also in subnets that the user does not name.
    client_cidrs: Vec<IpNet>,
    clients: Vec<Peer>,
    vpc: Vec<Peer>,
    needed: BTreeSet<Provider>,
}

/// What a group of ours is called.
pub struct GroupNames {
    pub name: &'static str,
    /// The value of its tag.
    pub purpose: &'static str,
    pub description: &'static str,
}

/// The names of our group for endpoints of `provider`.
pub const fn group_names(provider: Provider) -> GroupNames {
    match provider {
        Provider::CastAi => GroupNames {
            name: "castai-privatelink-endpoints",
            purpose: "cast-ai",
            description: "HTTPS from nodes and pods to the VPC endpoints of Cast AI",
        },
        Provider::Aws => GroupNames {
            name: "castai-privatelink-aws-endpoints",
            purpose: "aws",
            description: "HTTPS from the VPC to the VPC endpoints of AWS services",
        },
    }
}

/// The group of ours for endpoints of `provider`, if it exists.
pub fn our_group(facts: &VpcFacts, provider: Provider) -> Option<&SecurityGroup> {
    let purpose = group_names(provider).purpose;
    let is_ours = |group: &&SecurityGroup| group.tags.get(GROUP_FOR).is_some_and(|tag| tag == purpose);
    // The oldest is not known; the lowest id makes the choice stable.
    facts.security_groups.iter().filter(is_ours).min_by_key(|group| &group.id)
}

/// The security groups of nodes and pods that are in this VPC. Anyone who may create an `ENIConfig` can name others.
fn known_clients(facts: &VpcFacts) -> impl Iterator<Item = &String> {
    facts.client_groups.iter().filter(|id| is_known(facts, id))
}

fn is_known(facts: &VpcFacts, id: &str) -> bool {
    facts.security_groups.iter().any(|group| group.id == id)
}

/// What to know about the groups of nodes and pods.
pub(super) fn notes(facts: &VpcFacts) -> Vec<String> {
    let unknown: Vec<_> = facts.client_groups.iter().filter(|id| !is_known(facts, id)).cloned().collect();
    let unknown = (!unknown.is_empty()).then(|| {
        format!(
            "security groups that the cluster names are not in {}, and are not admitted: {}",
            facts.vpc.id,
            one_line(&unknown.join(", "), NAMES_LIMIT)
        )
    });
    let unread = facts.groups_unread.as_ref();
    let unread = unread.map(|why| {
        format!(
            "{why}: the blocks of their subnets are admitted, because their security groups are not known"
        )
    });
    unknown.into_iter().chain(unread).collect()
}

/// A group of others has the name of ours, so that ours cannot be created.
pub(super) fn taken_name(facts: &VpcFacts, provider: Provider) -> Option<Problem> {
    let GroupNames { name, purpose, .. } = group_names(provider);
    let other = facts.security_groups.iter().find(|group| group.name == name)?;
    our_group(facts, provider).is_none().then(|| Problem {
        subject: other.id.clone(),
        message: format!(
            "it has the name {name} and lacks this plugin's tags, so that no endpoint can be created"
        ),
        hint: format!(
            "if this plugin created it, add its tags: aws ec2 create-tags --region {} --resources {} --tags \
             Key={GROUP_FOR},Value={purpose} Key={MANAGED_BY},Value={PLUGIN}; else delete it",
            facts.region, other.id
        ),
    })
}

impl<'f> Groups<'f> {
    pub(super) fn new(facts: &'f VpcFacts, settings: &'f PlanSettings, used: &Used<'_>) -> Self {
        let is_used = |id: &str| {
            facts.uses.iter().any(|used| used.subnet == id && used.reason != SubnetReason::ControlPlane)
        };
        let subnets = facts.subnets.iter().filter(|subnet| is_used(&subnet.id));
        let mut client_cidrs: Vec<_> = subnets.flat_map(|subnet| &subnet.cidrs).copied().collect();
        client_cidrs.extend(used.cidrs());
        let mut clients: Vec<_> = known_clients(facts).map(|group| Peer::Group(group.clone())).collect();
        if clients.is_empty() {
            clients.extend(used.cidrs().copied().map(Peer::Cidr));
        } else {
            let unknown =
                facts.subnets.iter().filter(|subnet| facts.subnets_without_groups.contains(&subnet.id));
            clients.extend(unknown.flat_map(|subnet| &subnet.cidrs).copied().map(Peer::Cidr));
        }
        clients.extend(settings.admit.iter().cloned());
        let vpc =
            facts.vpc.cidrs.iter().copied().map(Peer::Cidr).chain(settings.admit.iter().cloned()).collect();
        let (clients, vpc) = (sorted(clients), sorted(vpc));
        Self { facts, settings, client_cidrs, clients, vpc, needed: BTreeSet::new() }
    }

    /// The group of ours for endpoints of `provider`, which is needed from now on.
    pub(super) fn ours(&mut self, provider: Provider) -> GroupRef {
        self.needed.insert(provider);
        match our_group(self.facts, provider) {
            Some(group) => GroupRef::Id(group.id.clone()),
            None => GroupRef::Name(group_names(provider).name.to_owned()),
        }
    }

    /// The group to attach to an endpoint that exists, if its groups do not admit all that have to connect. `is_for_vpc` where
    /// the whole VPC has to. An endpoint that has our group keeps its rules complete.
    pub(super) fn missing(
        &mut self,
        provider: Provider,
        endpoint: &Endpoint,
        is_for_vpc: bool,
    ) -> Option<GroupRef> {
        if let Some(ours) = our_group(self.facts, provider)
            && endpoint.groups.contains(&ours.id)
        {
            self.needed.insert(provider);
            return None;
        }
        (!self.is_open(endpoint, is_for_vpc)).then(|| self.ours(provider))
    }

    /// Whether the groups of an endpoint admit all that have to connect.
    pub(super) fn is_open(&self, endpoint: &Endpoint, is_for_vpc: bool) -> bool {
        let peers = if is_for_vpc { &self.vpc } else { &self.clients };
        // An endpoint without IPv6 addresses needs no rule for them.
        let is_reachable = |cidr: &IpNet| endpoint.has_ipv6 || matches!(cidr, IpNet::V4(_));
        let client_cidrs: Vec<_> =
            self.client_cidrs.iter().copied().filter(|cidr| is_reachable(cidr)).collect();
        let mut peers = peers.iter().filter(|peer| match peer {
            Peer::Cidr(cidr) => is_reachable(cidr),
            Peer::Group(_) => true,
        });
        let groups = self.facts.security_groups.iter().filter(|group| endpoint.groups.contains(&group.id));
        let groups: Vec<_> = groups.collect();
        peers.all(|peer| groups.iter().any(|group| admits(group, peer, &client_cidrs)))
    }

    /// Creates the groups that are needed, and admits who is not admitted yet.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for provider in &self.needed {
            let GroupNames { name, purpose, description } = group_names(*provider);
            let peers = if *provider == Provider::Aws { &self.vpc } else { &self.clients };
            let existing = our_group(self.facts, *provider);
            let group = if let Some(group) = existing {
                GroupRef::Id(group.id.clone())
            } else {
                let mut tags = our_tags(self.settings);
                tags.insert(GROUP_FOR.to_owned(), purpose.to_owned());
                tags.insert("Name".to_owned(), name.to_owned());
                actions.push(Action::CreateSecurityGroup {
                    name: name.to_owned(),
                    description: description.to_owned(),
                    tags,
                });
                GroupRef::Name(name.to_owned())
            };
            let is_missing = |peer: &&Peer| existing.is_none_or(|group| !has_rule(group, peer));
            let peers: Vec<_> = peers.iter().filter(is_missing).cloned().collect();
            if !peers.is_empty() {
                actions.push(Action::AuthorizeIngress { group, peers });
            }
        }
        actions
    }
}

/// Whether a group admits a peer: by the peer itself, or by a block around it. Members of a group have addresses of
/// `client_cidrs`.
fn admits(group: &SecurityGroup, peer: &Peer, client_cidrs: &[IpNet]) -> bool {
    let sources = group.ingress.iter().filter(|rule| rule.admits_https).map(|rule| &rule.source);
    let sources: Vec<_> = sources.collect();
    let is_covered = |cidr: &IpNet| {
        sources.iter().any(|source| matches!(source, RuleSource::Cidr(admitted) if admitted.contains(cidr)))
    };
    match peer {
        Peer::Cidr(cidr) => is_covered(cidr),
        Peer::Group(id) => {
            let is_named =
                sources.iter().any(|source| matches!(source, RuleSource::Group(named) if named == id));
            is_named || !client_cidrs.is_empty() && client_cidrs.iter().all(is_covered)
        }
    }
}

/// Whether a group of ours has a rule for a peer. A wider rule of another owner does not count: its owner may remove it.
fn has_rule(group: &SecurityGroup, peer: &Peer) -> bool {
    group.ingress.iter().filter(|rule| rule.admits_https).any(|rule| match (&rule.source, peer) {
        (RuleSource::Cidr(admitted), Peer::Cidr(cidr)) => admitted == cidr,
        (RuleSource::Group(admitted), Peer::Group(group)) => admitted == group,
        _ => false,
    })
}

fn sorted(mut peers: Vec<Peer>) -> Vec<Peer> {
    peers.sort();
    peers.dedup();
    peers
}
