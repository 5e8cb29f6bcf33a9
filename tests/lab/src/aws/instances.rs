//! The instances of the lab's nodes, which moto does not have.

use serde::Deserialize;

use super::endpoints::element;
use super::error::request_id;
use super::form::Form;
use crate::{address, kubelet};

use super::{CLUSTER_GROUP, SUBNETS};

/// An instance, as a test sets it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    /// One for each network interface, the primary one first.
    subnets: Vec<String>,
    /// Of the primary interface.
    groups: Vec<String>,
}

/// `DescribeInstances`: the first identifiers that the request names have the instances that a test has set, the others none.
/// If it has set none, the lab's nodes have one in the subnet of their address, with the group of the cluster.
pub(super) fn describe(instances: Option<&[Instance]>, form: &Form) -> String {
    let named = form.filters().into_iter().find(|(name, _)| name == "instance-id");
    let named = named.map(|(_, ids)| ids).unwrap_or_default();
    let items: String = match instances {
        Some(instances) => named.iter().zip(instances).map(|(id, instance)| item(id, instance)).collect(),
        None => named.iter().filter_map(|id| Some(item(id, &of_node(id)?))).collect(),
    };
    format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{}</requestId>\
         <reservationSet>{items}</reservationSet></DescribeInstancesResponse>",
        request_id()
    )
}

fn of_node(id: &str) -> Option<Instance> {
    let index = (0..kubelet::NODES).find(|index| kubelet::instance_id(*index) == id)?;
    let (subnet, ..) = SUBNETS[usize::from(index) % SUBNETS.len()];
    Some(Instance { subnets: vec![subnet.to_owned()], groups: vec![CLUSTER_GROUP.to_owned()] })
}

fn item(id: &str, Instance { subnets, groups }: &Instance) -> String {
    let items = |name: &str, texts: &[String]| {
        let items = texts.iter().map(|text| format!("<item>{}</item>", element(name, text)));
        items.collect::<String>()
    };
    format!(
        "<item><reservationId>r-{}</reservationId><instancesSet><item><instanceId>{id}</instanceId><vpcId>{}</vpcId>\
         <subnetId>{}</subnetId><groupSet>{}</groupSet><networkInterfaceSet>{}</networkInterfaceSet></item>\
         </instancesSet></item>",
        id.trim_start_matches("i-"),
        address::VPC_ID,
        subnets.first().map(String::as_str).unwrap_or_default(),
        items("groupId", groups),
        items("subnetId", subnets),
    )
}
