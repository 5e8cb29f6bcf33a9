//! A run that changes something: read, decide, apply, wait; and again for what was not possible yet.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::aws::ec2::filter;
use crate::endpoints::apply::{Mode, Outcome, Step, apply};
use crate::endpoints::facts::{Endpoint, VpcFacts};
use crate::endpoints::gather::{self, Ports, parse};
use crate::endpoints::plan::{Action, EndpointPlan, GroupRef};
use crate::endpoints::settings::PlanSettings;
use crate::error::CommandError;
use crate::model::inventory::API_VERSION;

/// The first delay before EC2 is read again, and the longest: each is twice as long as the one before. An interface endpoint
/// takes one to three minutes.
const DELAYS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];

/// A second round does what another run, or EC2's delay, prevented in the first one.
const ROUNDS: usize = 4;

/// Which actions are decided.
pub type Decide = fn(&VpcFacts, &PlanSettings) -> EndpointPlan;

/// How changes are made.
pub struct Options {
    pub mode: Mode,
    /// Wait until no endpoint changes its state any more.
    pub wait: bool,
    pub timeout: Duration,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    /// What was planned, and confirmed.
    pub plan: EndpointPlan,
    /// In the order in which they were carried out.
    pub steps: Vec<Step>,
    /// The plan afterwards: what is left, and the state of each endpoint. Absent after a dry run, or if nothing was
    /// confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<EndpointPlan>,
    /// Why the VPC could not be read after the changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    pub is_declined: bool,
}

impl EndpointReport {
    fn new(plan: EndpointPlan) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "EndpointReport",
            plan,
            steps: Vec::new(),
            after: None,
            unread: None,
            is_declined: false,
        }
    }

    /// The plan that says how the VPC is now.
    pub fn current(&self) -> &EndpointPlan {
        self.after.as_ref().unwrap_or(&self.plan)
    }

    /// The services whose endpoints still change their state.
    pub fn pending(&self) -> Vec<&str> {
        let pending =
            self.current().endpoints.iter().filter(|endpoint| is_pending(endpoint.state.as_deref()));
        pending.map(|endpoint| endpoint.name.as_str()).collect()
    }

    /// Whether something is not as it was planned.
    pub fn needs_attention(&self, waited: bool) -> bool {
        let is_left = self.after.as_ref().is_some_and(|after| !after.actions.is_empty());
        let is_failed = |step: &Step| matches!(step.outcome, Outcome::Failed { .. });
        self.is_declined
            || self.unread.is_some()
            || is_left
            || self.after.is_none() && self.steps.iter().any(is_failed)
            || !self.current().problems.is_empty()
            || waited && !self.pending().is_empty()
    }
}

/// What a run tells while it goes on.
pub enum Progress<'p> {
    Step(&'p Step),
    /// Identifiers of endpoints that still change their state.
    Waiting(&'p [String]),
}

/// Makes the VPC as `decide` wants it, in at most four rounds. Calls `confirm` before anything is changed.
///
/// # Errors
/// The VPC cannot be read before the first change. After that, errors are in the report.
pub async fn run(
    ports: &Ports,
    settings: &PlanSettings,
    decide: Decide,
    options: &Options,
    confirm: impl AsyncFnOnce(&EndpointPlan) -> Result<bool, CommandError>,
    observe: &dyn Fn(&Progress<'_>),
) -> Result<EndpointReport, CommandError> {
    let plan = decide(&gather::facts(ports, settings).await?, settings);
    let vpc = plan.vpc.clone();
    let mut report = EndpointReport::new(plan.clone());
    if plan.actions.is_empty() && report.pending().is_empty() {
        return Ok(report);
    }
    if options.mode == Mode::Change && !plan.actions.is_empty() && !confirm(&plan).await? {
        report.is_declined = true;
        return Ok(report);
    }
    let mut left = plan.actions;
    for round in 1..=ROUNDS {
        let incomplete = incomplete(&left, &report.steps);
        left.retain(|action| !is_not_retried(action, &report.steps));
        let is_deleting = options.mode == Mode::Change
            && left.iter().any(|action| matches!(action, Action::DeleteEndpoint { .. }));
        // A security group is in use until the endpoints are gone.
        let is_possible =
            |action: &&Action| !is_deleting || !matches!(action, Action::DeleteSecurityGroup { .. });
        let actions: Vec<_> = left.iter().filter(is_possible).cloned().collect();
        let observe_step = |step: &Step| observe(&Progress::Step(step));
        let steps = apply(&ports.ec2, &vpc, &actions, incomplete, options.mode, &observe_step).await;
        let is_progress =
            |step: &Step| step.outcome.is_done() || matches!(step.outcome, Outcome::Outdated { .. });
        let may_go_on = steps.iter().any(is_progress) && round < ROUNDS;
        report.steps.extend(steps);
        if options.mode == Mode::DryRun {
            return Ok(report);
        }
        let read = async {
            if options.wait || is_deleting {
                wait(ports, &vpc, options.timeout, observe).await?;
            }
            Ok::<_, CommandError>(decide(&gather::facts(ports, settings).await?, settings))
        };
        match read.await {
            Ok(after) => {
                left.clone_from(&after.actions);
                report.after = Some(after);
            }
            Err(error) => {
                report.unread = Some(error.message.trim_start_matches("error: ").to_owned());
                break;
            }
        }
        let is_only_failed = left.iter().all(|action| is_failed(action, &report.steps));
        if is_only_failed || !may_go_on {
            break;
        }
        // EC2 may list a change later than it confirms it.
        tokio::time::sleep(DELAYS[0]).await;
    }
    Ok(report)
}

/// Whether this run did it or failed to: EC2 may list a change later than it confirms it, and what failed once would fail
/// again. What was skipped is tried again if the plan was outdated.
fn is_not_retried(action: &Action, steps: &[Step]) -> bool {
    let is_outdated = |outcome: &Outcome| matches!(outcome, Outcome::Outdated { .. });
    match last(action, steps) {
        None => false,
        Some(Outcome::Skipped { .. }) => !steps.iter().any(|step| is_outdated(&step.outcome)),
        Some(outcome) => !is_outdated(outcome),
    }
}

/// The security groups of which this run could not make a rule, and does not try to again.
fn incomplete(left: &[Action], steps: &[Step]) -> BTreeSet<GroupRef> {
    let lacking = left.iter().filter(|action| is_failed(action, steps));
    let groups = lacking.filter_map(|action| match action {
        Action::AuthorizeIngress { group, .. } => Some(group.clone()),
        _ => None,
    });
    groups.collect()
}

fn is_failed(action: &Action, steps: &[Step]) -> bool {
    matches!(last(action, steps), Some(Outcome::Failed { .. } | Outcome::Skipped { .. }))
        && is_not_retried(action, steps)
}

/// What became of the action when it was tried last.
fn last<'s>(action: &Action, steps: &'s [Step]) -> Option<&'s Outcome> {
    let is_same = |tried: &Action| match (tried, action) {
        (Action::CreateEndpoint { service_name: tried, .. }, Action::CreateEndpoint { service_name, .. }) => {
            tried == service_name
        }
        (Action::CreateSecurityGroup { name: tried, .. }, Action::CreateSecurityGroup { name, .. }) => {
            tried == name
        }
        (tried, action) => tried == action,
    };
    steps.iter().rev().find(|step| is_same(&step.action)).map(|step| &step.outcome)
}

/// States that end by themselves.
fn is_pending(state: Option<&str>) -> bool {
    state.is_some_and(|state| {
        ["pending", "deleting"].iter().any(|pending| state.eq_ignore_ascii_case(pending))
    })
}

/// Waits while an endpoint of the VPC is `pending` or `deleting`.
async fn wait(
    ports: &Ports,
    vpc: &str,
    timeout: Duration,
    observe: &dyn Fn(&Progress<'_>),
) -> Result<(), CommandError> {
    let deadline = Instant::now() + timeout;
    let mut delay = DELAYS[0];
    loop {
        let listed =
            ports.ec2.list("DescribeVpcEndpoints", "vpcEndpointSet", filter("vpc-id", &[vpc])).await?;
        let pending = listed.iter().map(parse::endpoint).filter(|endpoint| is_pending(Some(&endpoint.state)));
        let pending: Vec<_> = pending.map(|Endpoint { id, .. }| id).collect();
        observe(&Progress::Waiting(&pending));
        if pending.is_empty() || Instant::now() >= deadline {
            return Ok(());
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(DELAYS[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(subnet: &str) -> Action {
        Action::TagSubnets { subnets: vec![subnet.to_owned()], tags: [].into() }
    }

    fn step(subnet: &str, outcome: Outcome) -> Step {
        Step { action: tag(subnet), outcome }
    }

    #[test]
    fn only_what_is_outdated_is_tried_again_and_what_waited_for_it() {
        let message = String::new;
        let done = step("done", Outcome::Done { id: None });
        let failed = step("failed", Outcome::Failed { message: message() });
        let skipped = step("skipped", Outcome::Skipped { message: message() });
        let outdated = step("outdated", Outcome::Outdated { message: message() });
        let not_retried = |steps: &[Step]| -> Vec<&str> {
            let all = ["done", "failed", "skipped", "outdated", "new"];
            all.into_iter().filter(|subnet| is_not_retried(&tag(subnet), steps)).collect()
        };
        let mut steps = vec![done, failed, skipped];
        assert_eq!(not_retried(&steps), ["done", "failed", "skipped"]);
        steps.push(outdated);
        assert_eq!(not_retried(&steps), ["done", "failed"]);
        // The last attempt counts.
        steps.push(step("outdated", Outcome::Done { id: None }));
        assert_eq!(not_retried(&steps), ["done", "failed", "outdated"]);
    }
}
