//! What happens to a gateway endpoint, which has route tables instead of addresses.

use std::collections::BTreeSet;

use super::endpoint::{Context, Decision};
use super::hub::is_gone;
use super::our_tags;
use crate::endpoints::facts::Endpoint;
use crate::endpoints::plan::{Action, EndpointChange};
use crate::endpoints::settings::RequestedService;

impl Context<'_> {
    /// The route tables are those of nodes and pods.
    pub(super) fn gateway(
        &self,
        service: &RequestedService,
        existing: Option<&Endpoint>,
        mut decision: Decision,
    ) -> Decision {
        let tables = self.route_tables();
        let present = existing.map(|endpoint| endpoint.route_tables.clone()).unwrap_or_default();
        // A route table has a route to one gateway of a service, whichever that is.
        let gateways = self.facts.endpoints.iter().filter(|endpoint| {
            endpoint.is_gateway && endpoint.service_name == service.service_name && !is_gone(endpoint)
        });
        let covered: BTreeSet<_> = gateways.flat_map(|endpoint| &endpoint.route_tables).collect();
        let added: Vec<_> = tables.into_iter().filter(|table| !covered.contains(table)).collect();
        decision.planned.placement = [present, added.clone()].concat();
        if existing.is_some_and(|endpoint| endpoint.own_policy.is_some()) {
            decision.notes.push(format!(
                "the endpoint of {} has a policy of its own, which was not looked at: it may refuse what nodes need",
                service.name
            ));
        }
        if added.is_empty() && existing.is_some() {
            return decision;
        }
        if existing.is_some() {
            decision.planned.reasons.push(format!("no route in {}", added.join(", ")));
        }
        if self.is_blocked {
            decision.planned.change = EndpointChange::Blocked;
            return decision;
        }
        if existing.is_none() {
            decision.explain(service);
        }
        let mut tags = our_tags(self.settings);
        tags.insert("Name".to_owned(), format!("castai-privatelink-{}", service.name));
        let name = service.name.clone();
        (decision.planned.change, decision.action) = match existing {
            Some(endpoint) => (
                EndpointChange::Modify,
                Some(Action::ModifyEndpoint {
                    service: name,
                    id: endpoint.id.clone(),
                    add_subnets: Vec::new(),
                    add_groups: Vec::new(),
                    add_route_tables: added,
                    enable_private_dns: false,
                }),
            ),
            None => (
                EndpointChange::Create,
                Some(Action::CreateEndpoint {
                    service: name,
                    service_name: service.service_name.clone(),
                    service_region: None,
                    is_gateway: true,
                    subnets: Vec::new(),
                    groups: Vec::new(),
                    route_tables: added,
                    private_dns: false,
                    ip_type: None,
                    tags,
                }),
            ),
        };
        decision
    }

    /// The route tables of nodes and pods: their own, or the VPC's main one.
    fn route_tables(&self) -> Vec<String> {
        let subnets = self.used.nodes.iter().chain(&self.used.pods);
        let found: BTreeSet<_> = subnets
            .filter_map(|subnet| self.facts.route_table(&subnet.id))
            .map(|table| table.id.clone())
            .collect();
        found.into_iter().collect()
    }
}
