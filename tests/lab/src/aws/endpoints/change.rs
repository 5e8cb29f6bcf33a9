//! `ModifyVpcEndpoint`, and changes by hand through the control API.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::create::invalid;
use super::{Endpoint, Endpoints, Kind, State, Surroundings, not_found, render};
use crate::aws::error::Refusal;
use crate::aws::form::Form;

/// What a test sets by hand, without any checks; absent fields stay.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::aws) struct Change {
    /// It then stays in this state.
    state: Option<State>,
    private_dns: Option<bool>,
    subnets: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    route_tables: Option<Vec<String>>,
    tags: Option<BTreeMap<String, String>>,
    policy: Option<String>,
    requester_managed: Option<bool>,
}

impl Endpoints {
    /// Whether there is such an endpoint.
    pub(in crate::aws) fn set(&mut self, id: &str, change: Change) -> bool {
        let Some(endpoint) = self.list.iter_mut().find(|endpoint| endpoint.id == id) else { return false };
        if let Some(state) = change.state {
            (endpoint.state, endpoint.next) = (state, None);
        }
        endpoint.private_dns = change.private_dns.unwrap_or(endpoint.private_dns);
        endpoint.requester_managed = change.requester_managed.unwrap_or(endpoint.requester_managed);
        endpoint.policy = change.policy.or(endpoint.policy.take());
        let lists = [
            (&mut endpoint.subnets, change.subnets),
            (&mut endpoint.groups, change.groups),
            (&mut endpoint.route_tables, change.route_tables),
        ];
        for (list, new) in lists {
            *list = new.unwrap_or_else(|| std::mem::take(list));
        }
        endpoint.tags = change.tags.unwrap_or_else(|| std::mem::take(&mut endpoint.tags));
        true
    }

    pub(in crate::aws) fn modify(&mut self, form: &Form, around: &Surroundings) -> Result<String, Refusal> {
        let id = form.text("VpcEndpointId");
        let before = self.find(id)?;
        if before.is_deleting() {
            return Err(not_found(id));
        }
        before.check_changeable()?;
        around.check_owner()?;
        let mut endpoint = before.clone();
        let lists = [
            (&mut endpoint.subnets, "SubnetId"),
            (&mut endpoint.groups, "SecurityGroupId"),
            (&mut endpoint.route_tables, "RouteTableId"),
        ];
        for (list, name) in lists {
            let (added, removed) = (form.list(&format!("Add{name}")), form.list(&format!("Remove{name}")));
            list.retain(|value| !removed.contains(value));
            // A subnet that it has already is another one in its zone.
            let is_new = |value: &String| name == "SubnetId" || !list.contains(value);
            let added: Vec<_> = added.into_iter().filter(is_new).collect();
            list.extend(added);
        }
        endpoint.private_dns = form.flag("PrivateDnsEnabled").unwrap_or(endpoint.private_dns);
        if endpoint.kind == Kind::Interface && endpoint.groups.is_empty() {
            return Err(invalid("An interface endpoint must have at least one security group.".to_owned()));
        }
        if endpoint.kind == Kind::Gateway && (endpoint.private_dns || !endpoint.subnets.is_empty()) {
            return Err(invalid(
                "Subnets and private DNS are not supported for gateway endpoints.".to_owned(),
            ));
        }
        self.check(&endpoint, Some(before), around)?;
        self.zones.extend(around.zones.clone());
        self.list
            .iter_mut()
            .filter(|other| other.id == endpoint.id)
            .for_each(|other| *other = endpoint.clone());
        Ok(render::done("ModifyVpcEndpoint"))
    }
}

impl Endpoint {
    pub(super) fn is_deleting(&self) -> bool {
        self.state == State::Deleting
    }
}
