//! The endpoints of a VPC: one table of their state and what is missing, one of their place.

use std::io;

use super::plan::{heading, notes, problems};
use crate::endpoints::list::{EndpointList, ListedEndpoint, ListedSubnet, ServiceStatus};
use crate::endpoints::plan::{Action, EndpointPlan, ROUTABLE};
use crate::output::table::{self, Column, count};
use crate::output::{for_terminal, result, say, terminal_width};

/// Prints the list to stdout; notes and problems of the plan, which says the same, and the conclusion to stderr.
/// `flags` if flags chose VPC or services: `create` then needs the same.
pub fn list(list: &EndpointList, plan: &EndpointPlan, flags: &str) -> io::Result<()> {
    let width = terminal_width();
    let heading = for_terminal(&heading(plan), width) + "\n";
    let tables = [Some(heading), Some(states(list, width)), places(list, width)];
    result(&tables.into_iter().flatten().collect::<Vec<_>>().join("\n"))?;
    notes(plan);
    problems(plan);
    say(&conclusion(list, plan, flags));
    Ok(())
}

fn states(list: &EndpointList, width: Option<usize>) -> String {
    let row = |name: &str, endpoint: Option<&ListedEndpoint>, missing: String| {
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let private_dns = endpoint.filter(|endpoint| !endpoint.is_gateway);
        [
            name.to_owned(),
            or_dash(endpoint.map(|endpoint| endpoint.id.as_str())),
            or_dash(endpoint.map(|endpoint| endpoint.state.as_str())),
            or_dash(private_dns.map(|endpoint| if endpoint.private_dns { "on" } else { "off" })),
            missing,
        ]
    };
    let services = list.services.iter().map(|service| {
        let what = service.missing.join(", ");
        let missing = match service.status {
            ServiceStatus::Complete => "-".to_owned(),
            ServiceStatus::Incomplete | ServiceStatus::Missing => what,
            ServiceStatus::NotNeeded => format!("not needed: {what}"),
            ServiceStatus::Blocked => format!("blocked: {what}"),
            ServiceStatus::Unknown => format!("unknown without {what}"),
        };
        row(&service.name, service.endpoint.as_ref(), missing)
    });
    let others = list
        .others
        .iter()
        .map(|other| row(&other.name, Some(&other.endpoint), format!("not used: {}", other.reason)));
    let rows: Vec<_> = services.chain(others).collect();
    let columns = [
        Column::whole("SERVICE"),
        Column::whole("ENDPOINT"),
        Column::whole("STATE"),
        Column::whole("PRIVATE DNS").yielding(0),
        Column::wrapped("MISSING", 16),
    ];
    table::fitted(columns, &rows, width)
}

/// The subnets and security groups of the endpoints that exist.
fn places(list: &EndpointList, width: Option<usize>) -> Option<String> {
    let services =
        list.services.iter().filter_map(|service| Some((service.name.clone(), service.endpoint.as_ref()?)));
    // Their service may have another endpoint.
    let others =
        list.others.iter().map(|other| (format!("{} ({})", other.name, other.endpoint.id), &other.endpoint));
    let rows = services.chain(others).map(|(name, endpoint)| {
        let subnet = |subnet: &ListedSubnet| match &subnet.zone {
            Some(zone) => format!("{} ({zone})", subnet.id),
            None => subnet.id.clone(),
        };
        let places = endpoint.subnets.iter().map(subnet).chain(endpoint.route_tables.iter().cloned());
        let or_dash = |texts: Vec<String>| if texts.is_empty() { "-".to_owned() } else { texts.join(", ") };
        [name, or_dash(places.collect()), or_dash(endpoint.security_groups.clone())]
    });
    let rows: Vec<_> = rows.collect();
    let columns = [
        Column::wrapped("SERVICE", 15).joined(),
        Column::wrapped("SUBNETS OR ROUTE TABLES", 25),
        Column::wrapped("SECURITY GROUPS", 20),
    ];
    (!rows.is_empty()).then(|| table::fitted(columns, &rows, width))
}

/// How many services are complete, what else is missing, and the command that adds it.
fn conclusion(list: &EndpointList, plan: &EndpointPlan, flags: &str) -> String {
    let complete = list.count(ServiceStatus::Complete);
    let verb = if complete == 1 { "is" } else { "are" };
    let services = count(list.services.len(), "service");
    let others = [
        (ServiceStatus::Incomplete, "incomplete"),
        (ServiceStatus::Missing, "missing"),
        (ServiceStatus::NotNeeded, "not needed"),
        (ServiceStatus::Blocked, "blocked"),
        (ServiceStatus::Unknown, "unknown"),
    ];
    let others = others.map(|(status, word)| (list.count(status), word));
    let others = others.into_iter().filter(|(number, _)| *number > 0);
    let others: Vec<_> = others.map(|(number, word)| format!(", {number} {word}")).collect();
    let mut parts =
        vec![format!("{complete} of {services} {verb} complete in {}{}", list.vpc, others.concat())];
    match list.untagged_subnets.len() {
        0 => {}
        1 => parts.push(format!("1 subnet lacks the tag {ROUTABLE}")),
        subnets => parts.push(format!("{subnets} subnets lack the tag {ROUTABLE}")),
    }
    if list.is_partial {
        parts.push("not everything could be read, see above".to_owned());
    }
    let command = "kubectl castai-privatelink";
    if !plan.actions.is_empty() {
        let is_attribute = |action: &Action| matches!(action, Action::EnableVpcAttribute { .. });
        let enable = if plan.actions.iter().any(is_attribute) { " --enable-vpc-dns" } else { "" };
        parts.push(format!("to add what is missing: {command} endpoints create{enable}{flags}"));
    } else if !list.needs_attention() {
        parts.push(format!("to check that they work: {command} preflight"));
    }
    parts.join("; ")
}
