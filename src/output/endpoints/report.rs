//! A run that changed endpoints: each change when it is made, and the conclusion.

use std::io;

use super::plan::{describe_one, group_name, notes, nothing_to_do, peers, problems, text};
use crate::endpoints::apply::{Outcome, Step};
use crate::endpoints::plan::{Action, EndpointPlan, ROUTABLE};
use crate::endpoints::run::EndpointReport;
use crate::output::table::{count, first_names};
use crate::output::{error, for_terminal, result, say, terminal_width};
use crate::printable::one_line;

/// Longer than any line.
const LIMIT: usize = 2000;

/// Prints the plan and its notes to stderr, before the question.
pub fn show_planned(plan: &EndpointPlan) {
    text(plan, terminal_width()).lines().for_each(say);
    notes(plan);
}

/// What would be done, for the question: `create 6 endpoints and tag 2 subnets in vpc-1 of cluster demo`.
pub fn work(plan: &EndpointPlan) -> String {
    let of = |is_wanted: fn(&Action) -> bool| plan.actions.iter().filter(|action| is_wanted(action)).count();
    let subnets = |action: &Action| match action {
        Action::TagSubnets { subnets, .. } | Action::UntagSubnets { subnets, .. } => subnets.len(),
        _ => 0,
    };
    let subnets: usize = plan.actions.iter().map(subnets).sum();
    let is_removal = plan.actions.iter().any(|action| matches!(action, Action::UntagSubnets { .. }));
    let parts = [
        ("turn on", of(|action| matches!(action, Action::EnableVpcAttribute { .. })), "attribute"),
        ("create", of(|action| matches!(action, Action::CreateSecurityGroup { .. })), "security group"),
        ("add rules to", of(|action| matches!(action, Action::AuthorizeIngress { .. })), "security group"),
        ("create", of(|action| matches!(action, Action::CreateEndpoint { .. })), "endpoint"),
        (
            "modify",
            of(|action| matches!(action, Action::ModifyEndpoint { .. } | Action::DetachGroup { .. })),
            "endpoint",
        ),
        ("delete", of(|action| matches!(action, Action::DeleteEndpoint { .. })), "endpoint"),
        ("delete", of(|action| matches!(action, Action::DeleteSecurityGroup { .. })), "security group"),
        (if is_removal { "untag" } else { "tag" }, subnets, "subnet"),
    ];
    let parts = parts.into_iter().filter(|(_, number, _)| *number > 0);
    let parts: Vec<_> = parts.map(|(verb, number, noun)| format!("{verb} {}", count(number, noun))).collect();
    let cluster = plan.cluster.as_ref().map(|name| format!(" of cluster {name}")).unwrap_or_default();
    let cost = plan.cost.hourly_usd.filter(|dollars| *dollars > 0.0);
    let cost = cost.map(|dollars| format!(", for USD {dollars:.2} per hour and traffic")).unwrap_or_default();
    format!("{} in {}{cluster}{cost}", and(&parts), plan.vpc)
}

/// `a, b and c`.
fn and(parts: &[String]) -> String {
    match parts {
        [] => "change nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Prints a change when it is made. What another run prevents is tried again, and not printed.
///
/// # Errors
/// Stdout cannot be written.
pub fn step(step: &Step) -> io::Result<()> {
    let line = |suffix: &str, id: Option<&str>| {
        for_terminal(&one_line(&(done(&step.action, id) + suffix), LIMIT), terminal_width()) + "\n"
    };
    match &step.outcome {
        Outcome::Done { id } => result(&line("", id.as_deref())),
        Outcome::Allowed => result(&line(" (server dry run)", None)),
        Outcome::Outdated { .. } => Ok(()),
        Outcome::Failed { message } => {
            error(&format!("error: cannot {}: {message}", describe_one(&step.action)), None);
            Ok(())
        }
        Outcome::Skipped { message } => {
            say(&format!("skipped: {}: {message}", describe_one(&step.action)));
            Ok(())
        }
    }
}

/// A change that was made, in kubectl's form.
fn done(action: &Action, id: Option<&str>) -> String {
    let id = id.map(|id| format!(" ({id})")).unwrap_or_default();
    match action {
        Action::EnableVpcAttribute { vpc, attribute } => format!("{attribute} of {vpc} turned on"),
        Action::CreateSecurityGroup { name, .. } => format!("security group {name} created{id}"),
        Action::AuthorizeIngress { group, peers: admitted } => {
            format!("{} admitted on port 443 by security group {}", peers(admitted), group_name(group))
        }
        Action::CreateEndpoint { service, .. } => format!("endpoint {service} created{id}"),
        Action::ModifyEndpoint { service, id, .. } => format!("endpoint {service} modified ({id})"),
        Action::TagSubnets { subnets, .. } => format!("{} tagged with {ROUTABLE}=true", subnets.join(", ")),
        Action::DeleteEndpoint { service, id } => format!("endpoint {service} deleted ({id})"),
        Action::DetachGroup { id, group, .. } => format!("security group {group} detached from {id}"),
        Action::DeleteSecurityGroup { id, name } => format!("security group {name} deleted ({id})"),
        Action::UntagSubnets { subnets, .. } => format!("tag {ROUTABLE} of {} removed", subnets.join(", ")),
    }
}

/// Prints what is left, the problems and the conclusion to stderr.
pub fn conclude(report: &EndpointReport, waited: bool) {
    let current = report.current();
    for action in report.after.iter().flat_map(|after| &after.actions) {
        let change = describe_one(action);
        match report.last(action) {
            _ if report.unconfirmed.contains(action) => {
                error(&format!("error: appeared since the confirmation: {change}"), None);
            }
            Some(Outcome::Outdated { message }) => error(&format!("error: cannot {change}: {message}"), None),
            Some(Outcome::Failed { .. } | Outcome::Skipped { .. }) => {}
            Some(Outcome::Done { .. } | Outcome::Allowed) => {
                error(&format!("error: EC2 does not show it yet: {change}"), None);
            }
            None => say(&format!("skipped: {change}: what it depends on was not done")),
        }
    }
    if let Some(why) = &report.unread {
        error(&format!("error: the result could not be read: {why}"), None);
    }
    problems(current);
    say(&conclusion(report, waited));
}

fn conclusion(report: &EndpointReport, waited: bool) -> String {
    let current = report.current();
    if report.is_declined {
        return "nothing was changed".to_owned();
    }
    let made = report.steps.iter().filter(|step| matches!(step.outcome, Outcome::Done { .. })).count();
    if report.after.is_none() && report.unread.is_none() && !report.steps.is_empty() {
        let allowed = report.steps.iter().filter(|step| step.outcome.is_done()).count();
        let skipped =
            report.steps.iter().filter(|step| matches!(step.outcome, Outcome::Skipped { .. })).count();
        let skipped = if skipped > 0 { format!(", {skipped} not checked") } else { String::new() };
        return format!(
            "dry run: nothing was changed; EC2 would make {allowed} of {}{skipped}",
            count(report.steps.len(), "change")
        );
    }
    let made_text = if made > 0 { format!("{} made; ", count(made, "change")) } else { String::new() };
    let pending = report.pending();
    let left = report.left().len();
    if left > 0 {
        return format!("incomplete: {made_text}{} left; run again to continue", count(left, "change"));
    }
    if report.unread.is_some() {
        return format!("incomplete: {made_text}the result is not known; run again to check it");
    }
    if !current.problems.is_empty() {
        let problems = count(current.problems.len(), "problem");
        let next = if current.problems.len() == 1 { "it is solved" } else { "they are solved" };
        return format!("incomplete: {made_text}{problems} left, see above; run again when {next}");
    }
    if !pending.is_empty() && (waited || made > 0) {
        let names = first_names(pending.into_iter().map(str::to_owned));
        return if waited {
            format!(
                "incomplete: {made_text}still not available or deleted: {names}; run again to wait longer"
            )
        } else {
            format!("done: {made_text}not waited for {names}")
        };
    }
    if made == 0 {
        return nothing_to_do(current);
    }
    format!("done: {made_text}nothing is left to do in {}", current.vpc)
}
