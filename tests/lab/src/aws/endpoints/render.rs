//! EC2's XML of VPC endpoints.

use super::{Endpoint, Endpoints, Kind, State};
use crate::address;
use crate::aws::error::{Refusal, escaped, request_id};

/// The hosted zone of all regional names of endpoints in us-east-1.
const REGIONAL_ZONE: &str = "Z7HUB22UULQXV";

impl Endpoints {
    pub(super) fn described(&self, page: &[Endpoint], next: Option<String>) -> String {
        let items = page.iter().map(|endpoint| format!("<item>{}</item>", self.item(endpoint)));
        let set = format!("<vpcEndpointSet>{}</vpcEndpointSet>", items.collect::<String>());
        let next = next.map(|next| element("nextToken", &next)).unwrap_or_default();
        response("DescribeVpcEndpoints", &(set + &next))
    }

    /// The content of `vpcEndpoint`, and of an item of `vpcEndpointSet`.
    pub(super) fn item(&self, endpoint: &Endpoint) -> String {
        let Endpoint { id, vpc, service, kind, state, .. } = endpoint;
        let tags = endpoint
            .tags
            .iter()
            .map(|(key, value)| format!("<item>{}{}</item>", element("key", key), element("value", value)));
        let groups =
            endpoint.groups.iter().map(|group| format!("<item>{}</item>", element("groupId", group)));
        let region = endpoint.service_region.as_ref();
        let mut parts = vec![
            element("vpcEndpointId", id),
            element("vpcEndpointType", kind.name()),
            element("vpcId", vpc),
            element("serviceName", service),
            region.map(|region| element("serviceRegion", region)).unwrap_or_default(),
            element("state", state.name()),
            element("privateDnsEnabled", if endpoint.private_dns { "true" } else { "false" }),
            element("requesterManaged", if endpoint.requester_managed { "true" } else { "false" }),
            element("ownerId", &endpoint.owner),
            element("creationTimestamp", &endpoint.created),
            endpoint.policy.as_ref().map(|policy| element("policyDocument", policy)).unwrap_or_default(),
            list("subnetIdSet", endpoint.subnets.iter()),
            list("routeTableIdSet", endpoint.route_tables.iter()),
            format!("<groupSet>{}</groupSet>", groups.collect::<String>()),
            format!("<tagSet>{}</tagSet>", tags.collect::<String>()),
        ];
        if *kind == Kind::Interface {
            parts.push(element("ipAddressType", &endpoint.ip_type));
            let records = element("dnsRecordIpType", &endpoint.ip_type);
            parts.push(format!("<dnsOptions>{records}</dnsOptions>"));
            parts.push(list("networkInterfaceIdSet", endpoint.interfaces()));
            let names = self.dns_names(endpoint).into_iter().map(|(name, zone)| {
                format!("<item>{}{}</item>", element("dnsName", &name), element("hostedZoneId", &zone))
            });
            parts.push(format!("<dnsEntrySet>{}</dnsEntrySet>", names.collect::<String>()));
        }
        if *state == State::Failed {
            let (code, message) = ("InternalError", "The endpoint could not be created: the lab's failure");
            let error = element("code", code) + &element("message", message);
            parts.push(format!("<lastError>{error}</lastError>"));
        }
        parts.concat()
    }

    /// The regional name, one per zone, and the private name; with their hosted zones.
    fn dns_names(&self, endpoint: &Endpoint) -> Vec<(String, String)> {
        let number = endpoint.id.trim_start_matches("vpce-0");
        let prefix = format!("{}-{}", endpoint.id, &number[number.len().saturating_sub(8)..]);
        let aws = format!("com.amazonaws.{}.", address::REGION);
        let provider = format!("com.amazonaws.vpce.{}.", address::REGION);
        let short = endpoint.service.trim_start_matches(&provider).trim_start_matches(&aws);
        let domain = format!("{short}.{}.vpce.amazonaws.com", address::REGION);
        let zones = endpoint.subnets.iter().filter_map(|subnet| self.zones.get(subnet));
        let zonal = zones.map(|zone| format!("{prefix}-{zone}.{domain}"));
        let names = std::iter::once(format!("{prefix}.{domain}")).chain(zonal);
        let mut names: Vec<_> = names.map(|name| (name, REGIONAL_ZONE.to_owned())).collect();
        if endpoint.private_dns {
            names.push((endpoint.host.clone(), format!("Z0{}", number.to_ascii_uppercase())));
        }
        names
    }
}

pub(super) fn created(item: &str, token: &str) -> String {
    let token = if token.is_empty() { String::new() } else { element("clientToken", token) };
    response("CreateVpcEndpoint", &format!("<vpcEndpoint>{item}</vpcEndpoint>{token}"))
}

pub(super) fn deleted(unsuccessful: &[(String, Refusal)]) -> String {
    let items = unsuccessful.iter().map(|(id, refusal)| {
        let error = element("code", refusal.code) + &element("message", &refusal.message);
        format!("<item>{}<error>{error}</error></item>", element("resourceId", id))
    });
    let set = format!("<unsuccessful>{}</unsuccessful>", items.collect::<String>());
    response("DeleteVpcEndpoints", &set)
}

/// The response of an action that returns nothing.
pub(in crate::aws) fn done(action: &str) -> String {
    response(action, "<return>true</return>")
}

pub(super) fn response(action: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{}</requestId>{content}</{action}Response>",
        request_id()
    )
}

/// A list whose items are these texts.
pub(in crate::aws) fn list(name: &str, values: impl Iterator<Item = impl AsRef<str>>) -> String {
    let items: String = values.map(|value| element("item", value.as_ref())).collect();
    format!("<{name}>{items}</{name}>")
}

pub(in crate::aws) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}
