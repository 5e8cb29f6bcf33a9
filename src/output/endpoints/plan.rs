//! A plan of endpoints: the subnets, the endpoints, the changes and what they cost.

use std::io;

use crate::endpoints::plan::{
    Action, EndpointChange, EndpointPlan, GroupRef, PlannedEndpoint, PlannedSubnet, ROUTABLE, TagState,
};
use crate::endpoints::settings::Peer;
use crate::output::table::{self, Column, count};
use crate::output::{error, for_terminal, result, say, terminal_width};
use crate::printable::one_line;

/// Longer than any line of a plan.
const LIMIT: usize = 2000;

/// Prints a plan to stdout, and notes, problems and the conclusion to stderr.
pub fn plan(plan: &EndpointPlan) -> io::Result<()> {
    result(&text(plan, terminal_width()))?;
    notes(plan);
    problems(plan);
    say(&conclusion(plan));
    Ok(())
}

/// Prints the notes of a plan to stderr.
pub fn notes(plan: &EndpointPlan) {
    plan.notes.iter().for_each(|note| say(&format!("note: {note}")));
}

/// Prints the problems of a plan to stderr.
pub fn problems(plan: &EndpointPlan) {
    for problem in &plan.problems {
        error(&format!("error: {}: {}", problem.subject, problem.message), Some(&problem.hint));
    }
}

pub(super) fn text(plan: &EndpointPlan, width: Option<usize>) -> String {
    let mut parts = vec![for_terminal(&heading(plan), width) + "\n"];
    if !plan.subnets.is_empty() {
        parts.push(subnets(&plan.subnets, width));
    }
    if !plan.endpoints.is_empty() {
        parts.push(endpoints(&plan.endpoints, width));
    }
    if !plan.actions.is_empty() {
        let lines = changes(&plan.actions).into_iter();
        let lines = lines.map(|line| for_terminal(&format!("  {}", one_line(&line, LIMIT)), width) + "\n");
        parts.push(format!("changes:\n{}", lines.collect::<String>()));
    }
    if let Some(redirection) = &plan.redirection {
        parts.push(
            for_terminal(
                &one_line(
                    &format!(
                        "the names of {} will lead to the endpoints in the whole VPC: {}",
                        redirection.services.join(", "),
                        redirection.subnets.join(", ")
                    ),
                    LIMIT,
                ),
                width,
            ) + "\n",
        );
    }
    parts.join("\n")
}

pub(super) fn heading(plan: &EndpointPlan) -> String {
    let cluster = plan.cluster.as_ref().map(|name| format!(" of cluster {name}")).unwrap_or_default();
    let account = plan.account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
    one_line(&format!("{}{cluster} in {}{account}", plan.vpc, plan.region), LIMIT)
}

fn subnets(subnets: &[PlannedSubnet], width: Option<usize>) -> String {
    let rows: Vec<_> = subnets
        .iter()
        .map(|subnet| {
            let tag = match subnet.tag {
                TagState::Present => "present",
                TagState::Add => "add",
                TagState::OtherValue => "has another value",
                TagState::NotPlanned => "-",
                TagState::Remove => "remove",
            };
            [
                subnet.id.clone(),
                subnet.zone.clone(),
                subnet.cidrs.join(", "),
                subnet.reasons.join(", "),
                tag.to_owned(),
            ]
        })
        .collect();
    let columns = [
        Column::whole("SUBNET"),
        Column::whole("ZONE"),
        Column::wrapped("BLOCK", 13).yielding(0),
        Column::wrapped("USED BY", 16),
        Column::whole("ROUTABLE TAG"),
    ];
    table::fitted(columns, &rows, width)
}

fn endpoints(endpoints: &[PlannedEndpoint], width: Option<usize>) -> String {
    let rows: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let change = match endpoint.change {
                EndpointChange::Create => "create",
                EndpointChange::Modify => "modify",
                EndpointChange::Delete => "delete",
                EndpointChange::Unchanged => "unchanged",
                EndpointChange::Elsewhere => "not needed",
                EndpointChange::Blocked => "blocked",
            };
            let or_dash = |text: Option<&String>| text.map_or("-", String::as_str).to_owned();
            [
                endpoint.name.clone(),
                change.to_owned(),
                or_dash(endpoint.id.as_ref()),
                or_dash(endpoint.state.as_ref()),
                if endpoint.hosts.is_empty() { "-".to_owned() } else { endpoint.hosts.join(", ") },
                if endpoint.reasons.is_empty() { "-".to_owned() } else { endpoint.reasons.join(", ") },
            ]
        })
        .collect();
    let columns = [
        Column::whole("SERVICE"),
        Column::whole("CHANGE"),
        Column::whole("ENDPOINT"),
        Column::whole("STATE"),
        Column::wrapped("HOSTS", 29).yielding(0),
        Column::wrapped("WHY", 16),
    ];
    table::fitted(columns, &rows, width)
}

/// The changes, each in one line. Endpoints that are created alike share one.
fn changes(actions: &[Action]) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for action in actions {
        let (line, service) = describe(action);
        match lines.iter_mut().find(|(known, services)| *known == line && !services.is_empty()) {
            Some((_, services)) => services.extend(service),
            None => lines.push((line, service.into_iter().collect())),
        }
    }
    let with_services = |(line, services): (String, Vec<&str>)| match services.as_slice() {
        [] => line,
        [one] => format!("create endpoint {one} {line}"),
        services => format!("create endpoints {} {line}", services.join(", ")),
    };
    lines.into_iter().map(with_services).collect()
}

/// A change, and the service whose endpoint it creates.
fn describe(action: &Action) -> (String, Option<&str>) {
    let line = match action {
        Action::EnableVpcAttribute { vpc, attribute } => format!("turn on {attribute} of {vpc}"),
        Action::CreateSecurityGroup { name, .. } => format!("create security group {name}"),
        Action::AuthorizeIngress { group, peers: admitted } => {
            format!("admit {} on port 443 in security group {}", peers(admitted), group_name(group))
        }
        Action::CreateEndpoint { service, subnets, groups, route_tables, private_dns, ip_type, .. } => {
            let mut with: Vec<_> =
                groups.iter().map(|group| format!("security group {}", group_name(group))).collect();
            with.extend(private_dns.then(|| "private DNS".to_owned()));
            with.extend(ip_type.map(|kind| format!("{kind} addresses")));
            let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
            let places = [subnets.as_slice(), route_tables].concat().join(", ");
            return (format!("in {places}{with}"), Some(service));
        }
        Action::ModifyEndpoint {
            id, add_subnets, add_groups, add_route_tables, enable_private_dns, ..
        } => {
            let mut parts = Vec::new();
            let places = [add_subnets.as_slice(), add_route_tables].concat();
            parts.extend((!places.is_empty()).then(|| format!("add {}", places.join(", "))));
            let groups: Vec<_> = add_groups.iter().map(group_name).collect();
            parts.extend((!groups.is_empty()).then(|| format!("add security group {}", groups.join(", "))));
            parts.extend(enable_private_dns.then(|| "turn on private DNS".to_owned()));
            format!("modify {id}: {}", parts.join(", "))
        }
        Action::TagSubnets { subnets, .. } => format!("tag {} with {ROUTABLE}=true", subnets.join(", ")),
        Action::DeleteEndpoint { service, id } => format!("delete endpoint {service} ({id})"),
        Action::DetachGroup { id, group, .. } => format!("detach security group {group} from {id}"),
        Action::DeleteSecurityGroup { id, name } => format!("delete security group {name} ({id})"),
        Action::UntagSubnets { subnets, .. } => {
            format!("remove the tag {ROUTABLE} of {}", subnets.join(", "))
        }
    };
    (line, None)
}

/// One change in one line.
pub(super) fn describe_one(action: &Action) -> String {
    match describe(action) {
        (line, Some(service)) => format!("create endpoint {service} {line}"),
        (line, None) => line,
    }
}

pub(super) fn peers(peers: &[Peer]) -> String {
    peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) const fn group_name(group: &GroupRef) -> &str {
    match group {
        GroupRef::Id(name) | GroupRef::Name(name) => name.as_str(),
    }
}

/// What would be done, in one line.
fn conclusion(plan: &EndpointPlan) -> String {
    if plan.is_complete() {
        return nothing_to_do(plan);
    }
    let of = |change| plan.endpoints.iter().filter(|endpoint| endpoint.change == change).count();
    let actions = |is_wanted: fn(&Action) -> bool| plan.actions.iter().filter(|one| is_wanted(one)).count();
    let subnets = plan.actions.iter().map(|action| match action {
        Action::TagSubnets { subnets, .. } | Action::UntagSubnets { subnets, .. } => subnets.len(),
        _ => 0,
    });
    let parts = [
        (of(EndpointChange::Create), "endpoint", "to create"),
        (of(EndpointChange::Modify), "endpoint", "to modify"),
        (of(EndpointChange::Delete), "endpoint", "to delete"),
        (of(EndpointChange::Blocked), "endpoint", "blocked"),
        (actions(|action| matches!(action, Action::DetachGroup { .. })), "security group", "to detach"),
        (
            actions(|action| matches!(action, Action::DeleteSecurityGroup { .. })),
            "security group",
            "to delete",
        ),
        (subnets.sum(), "subnet", if plan.is_removal { "to untag" } else { "to tag" }),
        (plan.problems.len(), "problem", "above"),
    ];
    let attributes = actions(|action| matches!(action, Action::EnableVpcAttribute { .. }));
    let is_only_rules = actions(|action| matches!(action, Action::AuthorizeIngress { .. })) > 0
        && parts[..7].iter().all(|(number, ..)| *number == 0);
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let mut parts: Vec<_> =
        parts.map(|(number, noun, what)| format!("{} {what}", count(number, noun))).collect();
    if is_only_rules {
        parts.insert(0, "rules to add".to_owned());
    }
    if attributes > 0 {
        parts.insert(0, format!("{} to turn on", count(attributes, "attribute")));
    }
    let cost = if plan.is_removal || plan.actions.is_empty() { String::new() } else { cost(plan) };
    format!("plan: {}{cost}", parts.join(", "))
}

/// A VPC that is as it should be.
pub(super) fn nothing_to_do(plan: &EndpointPlan) -> String {
    if plan.is_removal {
        format!("nothing to delete: nothing in {} carries this plugin's tag", plan.vpc)
    } else {
        let pending = plan.endpoints.iter().filter(|endpoint| {
            endpoint.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("pending"))
        });
        let pending: Vec<_> = pending.map(|endpoint| endpoint.name.as_str()).collect();
        let but = match pending.as_slice() {
            [] => String::new(),
            names => format!("; not available yet: {}", names.join(", ")),
        };
        let is_elsewhere = plan.endpoints.iter().any(|endpoint| endpoint.change == EndpointChange::Elsewhere);
        let known =
            if plan.is_partial || is_elsewhere { ", as far as is known: see the notes above" } else { "" };
        format!("up to date: {} has every endpoint, rule and tag{but}{known}", plan.vpc)
    }
}

/// AWS counts each endpoint once per zone, where it has a network interface.
fn cost(plan: &EndpointPlan) -> String {
    let interfaces = count(plan.cost.endpoint_zones, "network interface");
    let cost = match plan.cost.hourly_usd {
        _ if plan.cost.endpoint_zones == 0 => "no further cost".to_owned(),
        Some(dollars) => format!("USD {dollars:.2} per hour for {interfaces}, plus traffic"),
        None => format!("the price of {interfaces} (aws.amazon.com/privatelink/pricing), plus traffic"),
    };
    format!("; cost: {cost}")
}
