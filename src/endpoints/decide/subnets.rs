//! Which subnets nodes and pods use, why, and which of them are tagged.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::endpoints::facts::{Subnet, SubnetReason, VpcFacts};
use crate::endpoints::plan::{Action, PLUGIN, PlannedSubnet, ROUTABLE, TAGGED_BY, TagState};
use crate::endpoints::settings::PlanSettings;
use crate::printable::one_line;

/// The subnets of nodes and pods, by id.
pub(super) struct Used<'f> {
    pub(super) nodes: Vec<&'f Subnet>,
    pub(super) pods: Vec<&'f Subnet>,
    reasons: BTreeMap<&'f str, BTreeSet<&'f SubnetReason>>,
}

impl<'f> Used<'f> {
    /// Subnets that the user names are the only ones. Those of the control plane count only if nothing else is known: EKS
    /// places its interfaces there, and nodes may be elsewhere.
    pub(super) fn new(facts: &'f VpcFacts) -> Self {
        let is_flag = |reason: &SubnetReason| *reason == SubnetReason::Flag;
        let is_named = facts.uses.iter().any(|used| is_flag(&used.reason));
        let is_of_pods = |reason: &SubnetReason| matches!(reason, SubnetReason::Pods(_));
        let is_strong =
            |reason: &SubnetReason| !matches!(reason, SubnetReason::ControlPlane) && !is_of_pods(reason);
        let is_any_strong = facts.uses.iter().any(|used| is_strong(&used.reason));
        let counts = |reason: &SubnetReason| match reason {
            SubnetReason::Pods(_) => true,
            _ if is_named => is_flag(reason),
            SubnetReason::ControlPlane => !is_any_strong,
            _ => true,
        };
        let mut reasons: BTreeMap<&str, BTreeSet<&SubnetReason>> = BTreeMap::new();
        for used in facts.uses.iter().filter(|used| counts(&used.reason)) {
            reasons.entry(&used.subnet).or_default().insert(&used.reason);
        }
        let of = |is_wanted: fn(&SubnetReason) -> bool| -> Vec<&Subnet> {
            let has = |subnet: &&Subnet| {
                reasons.get(subnet.id.as_str()).is_some_and(|all| all.iter().any(|reason| is_wanted(reason)))
            };
            facts.subnets.iter().filter(has).collect()
        };
        let nodes = of(|reason| !matches!(reason, SubnetReason::Pods(_)));
        let pods = of(|reason| matches!(reason, SubnetReason::Pods(_)));
        Self { nodes, pods, reasons }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether nothing names a subnet of a node but the control plane.
    pub(super) fn is_of_control_plane(&self) -> bool {
        self.reasons.values().flatten().any(|reason| **reason == SubnetReason::ControlPlane)
    }

    /// Every block that nodes or pods have addresses of.
    pub(super) fn cidrs(&self) -> impl Iterator<Item = &'f IpNet> {
        self.nodes.iter().chain(&self.pods).flat_map(|subnet| &subnet.cidrs)
    }

    /// What to know about how the subnets were found.
    pub(super) fn notes(&self, facts: &VpcFacts) -> Vec<String> {
        let has = |is_meant: &dyn Fn(&SubnetReason) -> bool| {
            self.reasons.values().flatten().any(|reason| is_meant(reason))
        };
        let mut notes = Vec::new();
        let values = self.nodes.iter().filter_map(|subnet| Some((*subnet, subnet.tags.get(ROUTABLE)?)));
        for (subnet, value) in values.filter(|(_, value)| *value != "true") {
            let value = one_line(value, 50);
            notes.push(format!(
                "{} has {ROUTABLE}={value}, which is kept: Cast AI creates nodes only where it is true",
                subnet.id
            ));
        }
        if self.is_of_control_plane() && facts.nodes_unread.is_none() {
            notes.push(
                "no node, node group or node class names a subnet: those of the cluster's control plane are taken; \
                 name others with --subnet"
                    .to_owned(),
            );
        }
        let is_fargate = |reason: &SubnetReason| matches!(reason, SubnetReason::FargateProfile(_));
        let is_of_pods = |reason: &SubnetReason| matches!(reason, SubnetReason::Pods(_));
        if has(&is_fargate) && !has(&|reason| !is_fargate(reason) && !is_of_pods(reason)) {
            notes.push(
                "the cluster runs on Fargate only: Cast AI will add EC2 nodes to the subnets of its profiles"
                    .to_owned(),
            );
        }
        if facts.cluster.as_ref().is_some_and(|cluster| cluster.is_auto_mode) {
            notes.push(
                "EKS Auto Mode chooses subnets by its node classes: those of nodes and node classes count"
                    .to_owned(),
            );
        }
        let remote: BTreeSet<_> = self
            .nodes
            .iter()
            .filter(|subnet| !subnet.is_in_availability_zone(&facts.region))
            .map(|subnet| subnet.zone.as_str())
            .collect();
        if !remote.is_empty() {
            let zones = remote.into_iter().collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "nodes in {zones} reach the endpoints in other zones: there are none in local zones and on outposts"
            ));
        }
        notes
    }

    /// The subnets, with what happens to their tag.
    pub(super) fn planned(&self, facts: &VpcFacts, settings: &PlanSettings) -> Vec<PlannedSubnet> {
        let subnets = facts.subnets.iter().filter(|subnet| self.reasons.contains_key(subnet.id.as_str()));
        subnets
            .map(|subnet| PlannedSubnet {
                id: subnet.id.clone(),
                zone: subnet.zone.clone(),
                cidrs: subnet.cidrs.iter().map(ToString::to_string).collect(),
                reasons: self.reasons[subnet.id.as_str()].iter().map(|reason| describe(reason)).collect(),
                tag: self.tag_state(subnet, settings),
            })
            .collect()
    }

    fn tag_state(&self, subnet: &Subnet, settings: &PlanSettings) -> TagState {
        match subnet.tags.get(ROUTABLE).map(String::as_str) {
            Some("true") => TagState::Present,
            _ if settings.no_subnet_tags => TagState::NotPlanned,
            _ if !self.nodes.iter().any(|node| node.id == subnet.id) => TagState::NotPlanned,
            Some(_) => TagState::OtherValue,
            None => TagState::Add,
        }
    }

    /// Tags all subnets that lack the tag, with one request.
    pub(super) fn tag_action(&self, facts: &VpcFacts, settings: &PlanSettings) -> Option<Action> {
        let planned = self.planned(facts, settings).into_iter();
        let subnets: Vec<_> =
            planned.filter(|subnet| subnet.tag == TagState::Add).map(|subnet| subnet.id).collect();
        let tags = [(ROUTABLE, "true"), (TAGGED_BY, PLUGIN)];
        let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (!subnets.is_empty()).then(|| Action::TagSubnets { subnets, tags: BTreeMap::from(tags) })
    }
}

fn describe(reason: &SubnetReason) -> String {
    match reason {
        SubnetReason::Flag => "--subnet".to_owned(),
        SubnetReason::Nodes(1) => "1 node".to_owned(),
        SubnetReason::Nodes(count) => format!("{count} nodes"),
        SubnetReason::NodeGroup(name) => format!("node group {name}"),
        SubnetReason::FargateProfile(name) => format!("Fargate profile {name}"),
        SubnetReason::NodeClass(name) => name.clone(),
        SubnetReason::DiscoveryTag(tag) | SubnetReason::ClusterTag(tag) => format!("tag {tag}"),
        SubnetReason::ControlPlane => "control plane".to_owned(),
        SubnetReason::Pods(name) => format!("pods: {name}"),
    }
}
