//! A script of AWS CLI calls that carries out a plan.
//!
//! Its functions are files of their own. They look up what exists, so that the script can be run again.

mod quote;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::json;

use self::quote::{comment, quoted, variable};
use crate::endpoints::plan::{Action, EndpointChange, EndpointPlan, GROUP_FOR, GroupRef, Problem, ROUTABLE};
use crate::endpoints::settings::Peer;

/// Of what every script uses.
const COMMON: &str = include_str!("aws_cli/functions/common.sh");
const CONCLUDE: &str = include_str!("aws_cli/functions/conclude.sh");

/// The functions for changes, by name. A script has only those that it calls.
const FUNCTIONS: [(&str, &str); 6] = [
    ("enable_vpc_attribute", include_str!("aws_cli/functions/enable_vpc_attribute.sh")),
    ("create_security_group", include_str!("aws_cli/functions/create_security_group.sh")),
    ("admit", include_str!("aws_cli/functions/admit.sh")),
    ("create_endpoint", include_str!("aws_cli/functions/create_endpoint.sh")),
    ("modify_endpoint", include_str!("aws_cli/functions/modify_endpoint.sh")),
    ("tag_subnets", include_str!("aws_cli/functions/tag_subnets.sh")),
];

/// EC2 accepts 1000 resources in one `CreateTags`; fewer keep the command line short.
const TAGGED: usize = 500;

/// One change: a call of a function.
struct Step {
    about: String,
    function: &'static str,
    /// Words of the shell, one line each.
    arguments: Vec<String>,
    /// Where the result is stored.
    result: Option<String>,
}

/// The script for `plan`, which is the same for the same plan.
pub fn script(plan: &EndpointPlan) -> String {
    let steps: Vec<_> = plan.actions.iter().flat_map(|action| steps(plan, action)).collect();
    let is_called = |name: &str| steps.iter().any(|step| step.function == name);
    let functions = FUNCTIONS.iter().filter(|(name, _)| is_called(name)).map(|(_, text)| *text);
    let parts = [heading(plan), settings(plan), COMMON.to_owned()].into_iter();
    let parts = parts.chain(functions.map(str::to_owned)).chain([CONCLUDE.to_owned(), start(plan)]);
    let parts = parts.chain(steps.iter().map(Step::text)).chain([end(plan)]);
    parts.collect::<Vec<_>>().join("\n")
}

fn heading(plan: &EndpointPlan) -> String {
    let cluster = plan.cluster.as_ref().map(|name| format!(" for cluster {name}")).unwrap_or_default();
    let account = plan.account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
    let mut text = format!(
        "#!/usr/bin/env bash\n#\n{}#\n\
         # Printed by `kubectl castai-privatelink endpoints aws-cli`; leads to the same state as `endpoints create`.\n\
         # It looks up what exists, and adds only what is missing, so that it can be run again. It removes nothing.\n\
         # If the VPC has changed since, print it again.\n\
         #\n\
         # Requires bash 3.2 or later, AWS CLI 1 or 2, and the permissions that this command prints:\n\
         #   kubectl castai-privatelink permissions iam --for endpoints\n",
        comment(&format!("VPC endpoints of Cast AI{cluster}: {} in {}{account}", plan.vpc, plan.region)),
    );
    let mut remarks = Vec::new();
    if plan.actions.is_empty() {
        let why = if plan.problems.is_empty() { "Nothing is missing" } else { "Nothing can be done now" };
        remarks.push(format!("{why}: this script changes nothing."));
    }
    if let Some(dollars) = plan.cost.hourly_usd.filter(|_| plan.cost.endpoint_zones > 0) {
        remarks.push(format!("The endpoints that it adds cost USD {dollars:.2} per hour, and traffic."));
    }
    if let Some(redirection) = &plan.redirection {
        remarks.push(format!(
            "The names of {} will lead to the endpoints in the whole VPC: {}",
            redirection.services.join(", "),
            redirection.subnets.join(", ")
        ));
    }
    if !plan.problems.is_empty() {
        remarks.push("Problems when it was printed:".to_owned());
    }
    let problems = plan.problems.iter().flat_map(|problem| {
        [format!("- {}: {}", problem.subject, problem.message), format!("  hint: {}", problem.hint)]
    });
    remarks.extend(problems);
    if !remarks.is_empty() {
        text += "#\n";
        text.extend(remarks.iter().map(|remark| comment(remark)));
    }
    text
}

fn settings(plan: &EndpointPlan) -> String {
    format!(
        "set -euo pipefail\n\n\
         # AWS CLI 2 shows output in a pager; AWS CLI 1 may use the endpoint of STS in us-east-1.\n\
         export AWS_PAGER='' AWS_STS_REGIONAL_ENDPOINTS=regional\n\n\
         region={}\nvpc={}\naccount={}\n\
         # How long to wait for the endpoints, in seconds.\n\
         timeout=600\n",
        quoted(&plan.region),
        quoted(&plan.vpc),
        quoted(plan.account.as_deref().unwrap_or_default())
    )
}

/// What comes before the changes.
fn start(plan: &EndpointPlan) -> String {
    let check = "# The credentials have to be those of the account\n\
                 caller=$(aws sts get-caller-identity --region \"$region\" --query Account --output text)\n\
                 if [ \"$caller\" != \"$account\" ]; then\n  \
                 printf 'error: the credentials are of account %s, and this script is for %s\\n' \"$caller\" \
                 \"$account\" >&2\n  exit 1\nfi\n\n";
    let check = if plan.account.is_some() { check } else { "" };
    format!("{check}# Endpoints that exist\nendpoints=$(list_endpoints)\n")
}

/// What comes after the changes.
fn end(plan: &EndpointPlan) -> String {
    let unchanged = plan.endpoints.iter().filter(|endpoint| endpoint.change == EndpointChange::Unchanged);
    let expected = unchanged.filter_map(|endpoint| {
        Some(format!("expect {} {}\n", label(&endpoint.name), quoted(endpoint.id.as_ref()?)))
    });
    let left = plan.problems.iter().filter(|problem| is_left(plan, problem));
    let left = left.map(|Problem { subject, message, hint }| {
        format!("failed {}\n", label(&format!("{subject}: {message}; {hint}")))
    });
    format!(
        "# All endpoints have to be available\n{}wait_for_endpoints\ncheck_endpoints\n{}conclude\n",
        expected.collect::<String>(),
        left.collect::<String>()
    )
}

/// Whether the script cannot see whether a problem is solved meanwhile: that of an endpoint that it expects, it can.
fn is_left(plan: &EndpointPlan, problem: &Problem) -> bool {
    let is_expected = |change| matches!(change, EndpointChange::Unchanged | EndpointChange::Modify);
    !plan.endpoints.iter().any(|endpoint| endpoint.name == problem.subject && is_expected(endpoint.change))
}

/// The calls that carry out an action.
fn steps(plan: &EndpointPlan, action: &Action) -> Vec<Step> {
    match action {
        Action::EnableVpcAttribute { attribute, .. } => {
            let option = if *attribute == "enableDnsSupport" {
                "--enable-dns-support"
            } else {
                "--enable-dns-hostnames"
            };
            let about = format!("Private DNS needs {attribute}");
            vec![Step::new(about, "enable_vpc_attribute", [format!("{attribute} {option}")])]
        }
        Action::CreateSecurityGroup { name, description, tags } => {
            let purpose = tags.get(GROUP_FOR).map(String::as_str).unwrap_or_default();
            let arguments = [
                format!("{} {}", label(name), quoted(purpose)),
                quoted(description),
                new_tags("security-group", tags),
            ];
            let step = Step::new(format!("Security group {name}"), "create_security_group", arguments);
            vec![Step { result: Some(variable(name)), ..step }]
        }
        Action::AuthorizeIngress { group, peers } => {
            let name = match group {
                GroupRef::Id(name) | GroupRef::Name(name) => label(name),
            };
            let rule = |peer: &Peer| {
                let (peer, permissions) = rule(peer);
                let about = format!("{peer} may connect");
                let arguments = [format!("{name} {} {}", id(group), quoted(&peer)), quoted(&permissions)];
                Step::new(about, "admit", arguments)
            };
            peers.iter().map(rule).collect()
        }
        Action::CreateEndpoint {
            service,
            service_name,
            service_region,
            is_gateway,
            subnets,
            groups,
            route_tables,
            private_dns,
            ip_type,
            tags,
        } => {
            let kind = if *is_gateway { "Gateway" } else { "Interface" };
            let mut arguments = vec![format!("{} {} {kind}", label(service), quoted(service_name))];
            arguments.extend(list("--subnet-ids", subnets.iter().map(|id| quoted(id))));
            arguments.extend(list("--security-group-ids", groups.iter().map(id)));
            arguments.extend(list("--route-table-ids", route_tables.iter().map(|id| quoted(id))));
            // Gateways have no private DNS, and EC2 turns it on for interfaces if nothing is said.
            if !is_gateway {
                let option = if *private_dns { "--private-dns-enabled" } else { "--no-private-dns-enabled" };
                arguments.push(option.to_owned());
            }
            arguments.extend(list("--service-region", service_region.iter().map(|region| quoted(region))));
            arguments.extend(list("--ip-address-type", ip_type.iter().map(|kind| quoted(kind))));
            arguments.push(format!("--tag-specifications {}", new_tags("vpc-endpoint", tags)));
            vec![Step::new(about(plan, service), "create_endpoint", arguments)]
        }
        Action::ModifyEndpoint {
            service,
            id: endpoint,
            add_subnets,
            add_groups,
            add_route_tables,
            enable_private_dns,
        } => {
            let mut arguments = vec![format!("{} {}", label(service), quoted(endpoint))];
            arguments.extend(list("--add-subnet-ids", add_subnets.iter().map(|id| quoted(id))));
            arguments.extend(list("--add-security-group-ids", add_groups.iter().map(id)));
            arguments.extend(list("--add-route-table-ids", add_route_tables.iter().map(|id| quoted(id))));
            arguments.extend(enable_private_dns.then(|| "--private-dns-enabled".to_owned()));
            vec![Step::new(about(plan, service), "modify_endpoint", arguments)]
        }
        Action::TagSubnets { subnets, tags } => {
            let some = |subnets: &[String]| {
                let subnets = subnets.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(" ");
                let about = format!("Cast AI may add nodes to subnets with the tag {ROUTABLE}");
                Step::new(about, "tag_subnets", [quoted(&all_tags(tags).to_string()), subnets])
            };
            subnets.chunks(TAGGED).map(some).collect()
        }
        // Of plans that remove what this plugin made.
        Action::DeleteEndpoint { .. }
        | Action::DetachGroup { .. }
        | Action::DeleteSecurityGroup { .. }
        | Action::UntagSubnets { .. } => Vec::new(),
    }
}

impl Step {
    fn new(about: String, function: &'static str, arguments: impl Into<Vec<String>>) -> Self {
        Self { about, function, arguments: arguments.into(), result: None }
    }

    fn text(&self) -> String {
        let result = self.result.as_ref().map(|name| format!("{name}=$security_group\n")).unwrap_or_default();
        let arguments = self.arguments.join(" \\\n  ");
        format!("{}{} {arguments}\n{result}", comment(&self.about), self.function)
    }
}

/// Why an endpoint is created or modified.
fn about(plan: &EndpointPlan, service: &str) -> String {
    let reasons = plan.endpoints.iter().filter(|endpoint| endpoint.name == service);
    let reasons = reasons.flat_map(|endpoint| endpoint.reasons.iter().cloned()).collect::<Vec<_>>();
    format!("Endpoint {service}: {}", reasons.join(", "))
}

/// An option with its values, if there are some.
fn list(option: &str, values: impl Iterator<Item = String>) -> Option<String> {
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| format!("{option} {}", values.join(" ")))
}

/// A security group, as a word of the shell.
fn id(group: &GroupRef) -> String {
    match group {
        GroupRef::Id(id) => quoted(id),
        GroupRef::Name(name) => format!("\"${}\"", variable(name)),
    }
}

/// A word of the shell that is only printed.
fn label(text: &str) -> String {
    quoted(&quote::line(text))
}

/// A peer, and the rule that admits it.
fn rule(peer: &Peer) -> (String, String) {
    let (name, list, source) = match peer {
        Peer::Group(id) => (id.clone(), "UserIdGroupPairs", json!([{"GroupId": id}])),
        Peer::Cidr(cidr @ IpNet::V4(_)) => {
            (cidr.to_string(), "IpRanges", json!([{"CidrIp": cidr.to_string()}]))
        }
        Peer::Cidr(cidr @ IpNet::V6(_)) => {
            (cidr.to_string(), "Ipv6Ranges", json!([{"CidrIpv6": cidr.to_string()}]))
        }
    };
    let rule = json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, list: source}]);
    (name, rule.to_string())
}

fn all_tags(tags: &BTreeMap<String, String>) -> serde_json::Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Tags of what is created, as a word of the shell.
fn new_tags(resource: &str, tags: &BTreeMap<String, String>) -> String {
    quoted(&json!([{"ResourceType": resource, "Tags": all_tags(tags)}]).to_string())
}
