//! `CreateVpcEndpoint`, and the rules that hold for changes too.

use std::collections::BTreeSet;

use super::{Endpoint, Endpoints, Kind, Surroundings, render};
use crate::aws::error::Refusal;
use crate::aws::form::Form;
use crate::aws::services::Offer;

impl Endpoints {
    /// `created` is the time of the request.
    pub(in crate::aws) fn create(
        &mut self,
        form: &Form,
        around: &Surroundings,
        created: String,
    ) -> Result<String, Refusal> {
        let token = form.text("ClientToken");
        if let Some((parameters, first)) = self.tokens.get(token) {
            if parameters != form {
                let message = format!(
                    "The client token '{token}' was used with other parameters in an earlier request"
                );
                return Err(Refusal::new("IdempotentParameterMismatch", message));
            }
            return Ok(self.created(self.find(&first.id).unwrap_or(first), token));
        }
        let endpoint = self.new_endpoint(form, around, created)?;
        self.created += 1;
        self.zones.extend(around.zones.clone());
        self.list.push(endpoint.clone());
        if !token.is_empty() {
            self.tokens.insert(token.to_owned(), (form.clone(), endpoint.clone()));
        }
        Ok(self.created(&endpoint, token))
    }

    fn new_endpoint(&self, form: &Form, around: &Surroundings, created: String) -> Result<Endpoint, Refusal> {
        let service = form.text("ServiceName");
        let region = form.text("ServiceRegion");
        let offer = around.services.find_for_endpoint(service, region)?;
        let vpc = form.text("VpcId").to_owned();
        if !around.vpc_exists {
            return Err(Refusal::new("InvalidVpcId.NotFound", format!("The Vpc Id '{vpc}' does not exist")));
        }
        around.check_owner()?;
        let kind = match form.text("VpcEndpointType") {
            "Interface" => Kind::Interface,
            "Gateway" | "" => Kind::Gateway,
            other => return Err(invalid(format!("Invalid VPC endpoint type: {other}"))),
        };
        if kind == Kind::Gateway && offer.prefix_list.is_none() {
            return Err(invalid(
                "Endpoint type (Gateway) does not match available service types ([Interface]).".to_owned(),
            ));
        }
        let ip_type = Some(form.text("IpAddressType")).filter(|kind| !kind.is_empty()).unwrap_or("ipv4");
        let supported = around.services.ip_types(&offer);
        let needed: &[&str] = if ip_type == "dualstack" { &["ipv4", "ipv6"] } else { &[ip_type] };
        if !needed.iter().all(|kind| supported.iter().any(|supported| supported == kind)) {
            return Err(invalid(format!(
                "The VPC endpoint service {service} does not support the IP address type {ip_type}."
            )));
        }
        let mut groups = form.list("SecurityGroupId");
        if groups.is_empty() && kind == Kind::Interface {
            groups.push(around.default_group.clone());
        }
        let (state, next) = self.start(service);
        let endpoint = Endpoint {
            id: format!("vpce-0{:016x}", self.created + 1),
            owner: around.caller.clone(),
            service: service.to_owned(),
            service_region: Some(region.to_owned()).filter(|region| !region.is_empty()),
            kind,
            state,
            private_dns: kind == Kind::Interface && form.flag("PrivateDnsEnabled").unwrap_or(true),
            ip_type: ip_type.to_owned(),
            host: offer.host,
            subnets: form.list("SubnetId"),
            groups,
            route_tables: form.list("RouteTableId"),
            tags: tags(form)?,
            policy: None,
            requester_managed: false,
            created,
            next,
            vpc,
        };
        self.check(&endpoint, None, around)?;
        Ok(endpoint)
    }

    /// Checks what a new or changed endpoint is about to have. `before` is the changed one.
    pub(super) fn check(
        &self,
        endpoint: &Endpoint,
        before: Option<&Endpoint>,
        around: &Surroundings,
    ) -> Result<(), Refusal> {
        let added = |list: fn(&Endpoint) -> &Vec<String>| {
            let present = before.map(list);
            let is_new = move |id: &&String| !present.is_some_and(|present| present.contains(*id));
            list(endpoint).iter().filter(is_new).collect::<Vec<_>>()
        };
        for subnet in added(|endpoint| &endpoint.subnets) {
            let message = format!("The subnet ID '{subnet}' does not exist");
            let zone = around.zones.get(subnet);
            let zone = zone.ok_or_else(|| Refusal::new("InvalidSubnetId.NotFound", message))?;
            let offer = Offer::find_by_full_name(&endpoint.service);
            if !offer.is_some_and(|offer| around.services.accept_zone(&offer, zone)) {
                return Err(invalid(format!(
                    "The VPC endpoint service {} does not support the availability zone of the subnet: {subnet}.",
                    endpoint.service
                )));
            }
            let lacks_ipv4 = endpoint.ip_type != "ipv6" && around.without_ipv4.contains(subnet);
            let lacks_ipv6 = endpoint.ip_type != "ipv4" && !around.with_ipv6.contains(subnet);
            if lacks_ipv4 || lacks_ipv6 {
                return Err(invalid(format!(
                    "The subnet {subnet} does not support the IP address type {}.",
                    endpoint.ip_type
                )));
            }
        }
        let mut zones = BTreeSet::new();
        for subnet in &endpoint.subnets {
            if !zones.insert(around.zones.get(subnet).or_else(|| self.zones.get(subnet))) {
                let message = format!(
                    "Found another VPC endpoint subnet in the availability zone of {subnet}. VPC endpoint subnets should \
                     be in different availability zones supported by the VPC endpoint service."
                );
                return Err(Refusal::new("DuplicateSubnetsInSameZone", message));
            }
        }
        if let Some(group) =
            added(|endpoint| &endpoint.groups).into_iter().find(|group| !around.groups.contains(*group))
        {
            let message = format!("The security group '{group}' does not exist");
            return Err(Refusal::new("InvalidGroup.NotFound", message));
        }
        for table in added(|endpoint| &endpoint.route_tables) {
            self.check_route(endpoint, table, around)?;
        }
        if endpoint.private_dns && !before.is_some_and(|before| before.private_dns) {
            self.check_private_dns(endpoint, around)?;
        }
        Ok(())
    }

    fn check_route(&self, endpoint: &Endpoint, table: &String, around: &Surroundings) -> Result<(), Refusal> {
        if !around.route_tables.contains(table) {
            let message = format!("The routeTable ID '{table}' does not exist");
            return Err(Refusal::new("InvalidRouteTableId.NotFound", message));
        }
        let has_route = |other: &Endpoint| {
            other.service == endpoint.service && other.route_tables.contains(table) && !other.is_deleting()
        };
        if self.list.iter().any(has_route) {
            let prefixes = Offer::find(&endpoint.service).and_then(|offer| offer.prefix_list);
            let message = format!(
                "route table {table} already has a route with destination-prefix-list-id {}",
                prefixes.unwrap_or_default()
            );
            return Err(Refusal::new("RouteAlreadyExists", message));
        }
        Ok(())
    }

    fn check_private_dns(&self, endpoint: &Endpoint, around: &Surroundings) -> Result<(), Refusal> {
        let (vpc, host) = (&endpoint.vpc, &endpoint.host);
        if !around.dns_enabled {
            return Err(invalid(format!(
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true \
                 for {vpc}"
            )));
        }
        let taken = self.list.iter().any(|other| other.id != endpoint.id && other.has_name(vpc, host));
        if taken || around.hosted_zones.contains(host) {
            return Err(invalid(format!(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {host} in the \
                 VPC {vpc}"
            )));
        }
        Ok(())
    }

    fn created(&self, endpoint: &Endpoint, token: &str) -> String {
        render::created(&self.item(endpoint), token)
    }
}

impl Surroundings {
    /// Only the owner of a VPC creates and changes its endpoints.
    pub(super) fn check_owner(&self) -> Result<(), Refusal> {
        if !self.is_shared {
            return Ok(());
        }
        let message = "This operation does not support shared VPCs.".to_owned();
        Err(Refusal::new("OperationNotPermitted", message))
    }
}

pub(super) fn invalid(message: String) -> Refusal {
    Refusal::new("InvalidParameter", message)
}

/// The tags in the request's specification.
fn tags(form: &Form) -> Result<std::collections::BTreeMap<String, String>, Refusal> {
    let kind = form.text("TagSpecification.1.ResourceType");
    if !["", "vpc-endpoint"].contains(&kind) {
        return Err(invalid(format!("'{kind}' is not a valid taggable resource type for this operation.")));
    }
    let tags = form.tags("TagSpecification.1.Tag").into_iter();
    Ok(tags.map(|(key, value)| (key, value.unwrap_or_default())).collect())
}
