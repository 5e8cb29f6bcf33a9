//! A run that changes something: read, decide, apply, wait; and again for what was not possible yet.

mod report;
mod wait;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub use self::report::EndpointReport;
use self::wait::{Awaited, wait};
use crate::endpoints::apply::{Mode, Outcome, Step, apply};
use crate::endpoints::facts::VpcFacts;
use crate::endpoints::gather::{self, Clients};
use crate::endpoints::plan::{Action, EndpointPlan, GroupRef};
use crate::endpoints::settings::PlanSettings;
use crate::error::CommandError;

/// The first delay before EC2 is read again, and the longest: each is twice as long as the one before. An interface endpoint
/// takes one to three minutes.
const DELAYS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];

/// A second round does what another run, or EC2's delay, prevented in the first one.
const ROUNDS: usize = 4;

/// How long EC2 may take to list what it confirmed.
const LISTED: Duration = Duration::from_secs(10);

/// Attempts to read the VPC after changes.
const READS: usize = 3;

/// Which actions are decided.
pub type Decide = fn(&VpcFacts, &PlanSettings) -> EndpointPlan;

/// How changes are made.
pub struct Options {
    pub mode: Mode,
    /// Wait until no endpoint of the plan changes its state any more.
    pub wait: bool,
    pub timeout: Duration,
}

/// What a run tells while it goes on.
pub enum Progress<'p> {
    /// How many changes are made next, and how many when the endpoints are gone.
    Applying {
        now: usize,
        later: usize,
    },
    Step(&'p Step),
    /// Identifiers of endpoints that still change their state.
    Waiting(&'p [String]),
}

/// Makes the VPC as `decide` wants it, in at most four rounds. Calls `confirm` before anything is changed; later rounds only
/// complete what was confirmed.
///
/// # Errors
/// The VPC cannot be read before the first change. After that, errors are in the report.
pub async fn run(
    clients: &Clients,
    settings: &PlanSettings,
    decide: Decide,
    options: &Options,
    confirm: impl AsyncFnOnce(&EndpointPlan) -> Result<bool, CommandError>,
    observe: &dyn Fn(&Progress<'_>),
) -> Result<EndpointReport, CommandError> {
    let facts = gather::facts(clients, settings).await?;
    let plan = decide(&facts, settings);
    let vpc = plan.vpc.clone();
    let mut report = EndpointReport::new(plan.clone());
    report.note_groups(&facts);
    if plan.actions.is_empty() && (report.pending().is_empty() || options.mode == Mode::DryRun) {
        return Ok(report);
    }
    if options.mode == Mode::Change && !plan.actions.is_empty() && !confirm(&plan).await? {
        report.is_declined = true;
        return Ok(report);
    }
    let deadline = Instant::now() + options.timeout;
    let mut left = plan.actions;
    for round in 1..=ROUNDS {
        let incomplete = incomplete(&left, &report);
        left.retain(|action| may_try(action, &report));
        let is_deleting = options.mode == Mode::Change
            && left.iter().any(|action| matches!(action, Action::DeleteEndpoint { .. }));
        // A security group is in use until the endpoints are gone.
        let is_possible =
            |action: &&Action| !is_deleting || !matches!(action, Action::DeleteSecurityGroup { .. });
        let actions: Vec<_> = left.iter().filter(is_possible).cloned().collect();
        if options.mode == Mode::Change {
            let (now, later) = (actions.len(), left.len() - actions.len());
            observe(&Progress::Applying { now, later });
        }
        let observe_step = |step: &Step| observe(&Progress::Step(step));
        let steps = apply(&clients.ec2, &vpc, &actions, incomplete, options.mode, &observe_step).await;
        let is_progress =
            |step: &Step| step.outcome.is_done() || matches!(step.outcome, Outcome::Outdated { .. });
        let may_go_on = steps.iter().any(is_progress) && round < ROUNDS;
        let awaited = Awaited::new(&report, &steps);
        report.steps.extend(steps);
        if options.mode == Mode::DryRun {
            return Ok(report);
        }
        let read = async {
            if options.wait || is_deleting {
                wait(&clients.ec2, &vpc, awaited, deadline, observe).await?;
            }
            let read = async || {
                let facts = gather::facts(clients, settings).await?;
                let plan = decide(&facts, settings);
                Ok((facts, plan))
            };
            let is_listed =
                |(_, plan): &(_, EndpointPlan)| !plan.actions.iter().any(|one| report.is_done(one));
            read_again(read, is_listed, LISTED.min(options.timeout)).await
        };
        match read.await {
            Ok((facts, after)) => {
                report.note_groups(&facts);
                left.clone_from(&after.actions);
                let unconfirmed = left.iter().filter(|action| !report.is_confirmed(action));
                report.unconfirmed = unconfirmed.cloned().collect();
                report.after = Some(after);
            }
            Err(error) => {
                report.unread = Some(error.message.trim_start_matches("error: ").to_owned());
                report.after = None;
                break;
            }
        }
        let is_left = left.iter().any(|action| may_try(action, &report) || report.is_done(action));
        if !is_left || !may_go_on || Instant::now() >= deadline {
            break;
        }
        // EC2 may list a change later than it confirms it.
        tokio::time::sleep(DELAYS[0]).await;
    }
    Ok(report)
}

/// Whether the action was confirmed, and neither done nor refused in this run.
fn may_try(action: &Action, report: &EndpointReport) -> bool {
    report.is_confirmed(action) && !report.is_not_retried(action)
}

/// The security groups that lack a rule which this run does not try to make.
fn incomplete(left: &[Action], report: &EndpointReport) -> BTreeSet<GroupRef> {
    let lacking = left.iter().filter(|action| !may_try(action, report) && !report.is_done(action));
    let groups = lacking.filter_map(|action| match action {
        Action::AuthorizeIngress { group, .. } => Some(group.clone()),
        _ => None,
    });
    groups.collect()
}

/// Reads until `is_listed` is true of the result, or for `limit`. A few reads may fail.
async fn read_again<T>(
    read: impl AsyncFn() -> Result<T, CommandError>,
    is_listed: impl Fn(&T) -> bool,
    limit: Duration,
) -> Result<T, CommandError> {
    let deadline = Instant::now() + limit;
    let mut delay = DELAYS[0];
    let mut failures = 0;
    loop {
        match read().await {
            Ok(found) if is_listed(&found) || Instant::now() >= deadline => return Ok(found),
            Ok(_) => {}
            Err(error) => {
                failures += 1;
                if failures == READS {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(delay).await;
        delay *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How reads end, the limit in seconds, the result and the number of reads.
    type Case<'c> = (&'c [Option<bool>], u64, Option<bool>, usize);

    /// The result of reads that end so one after the other, the last repeating, and their number.
    async fn read(results: &[Option<bool>], limit: u64) -> (Result<bool, CommandError>, usize) {
        let number = Cell::new(0);
        let read = async || {
            let result = results[number.get().min(results.len() - 1)];
            number.set(number.get() + 1);
            result.ok_or_else(|| CommandError::new("error: no response".to_owned()))
        };
        let result = read_again(read, |is_listed| *is_listed, Duration::from_secs(limit)).await;
        (result, number.get())
    }

    #[tokio::test]
    async fn what_ec2_lists_late_and_a_lost_response_are_read_again() {
        let cases: [Case<'_>; 5] = [
            (&[Some(true)], 10, Some(true), 1),
            (&[Some(false), Some(true)], 10, Some(true), 2),
            (&[Some(false)], 0, Some(false), 1),
            (&[None, Some(true)], 10, Some(true), 2),
            (&[None], 10, None, 3),
        ];
        for (results, limit, expected, reads) in cases {
            let (result, number) = read(results, limit).await;
            assert_eq!((result.ok(), number), (expected, reads), "{results:?}");
        }
    }
}
