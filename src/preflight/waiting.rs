//! Repeats a run until nothing needs attention.

use std::time::Duration;

use super::report::Report;
use super::time_limit::TimeLimit;
use crate::error::CommandError;

/// Runs once, or again after each `interval` until nothing needs attention, while the limit leaves time for it. Returns
/// the last report that is complete. `missing` receives each report that is not good yet.
///
/// # Errors
/// A run cannot start. An unreachable cluster is in the report, and may become reachable.
pub async fn repeat(
    mut run: impl AsyncFnMut() -> Result<Report, CommandError>,
    interval: Option<Duration>,
    limit: &TimeLimit,
    missing: impl Fn(&Report),
) -> Result<Report, CommandError> {
    let mut last = None;
    loop {
        let report = run().await?;
        let Some(interval) = interval else { return Ok(report) };
        if report.timed_out {
            // Reports from before the time was over say what is missing.
            return Ok(last.unwrap_or(report));
        }
        let is_green = !report.needs_attention();
        if !is_green {
            missing(&report);
        }
        if is_green || !limit.leaves(interval) {
            return Ok(report);
        }
        tokio::time::sleep(interval).await;
        last = Some(report);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::preflight::checks;
    use crate::preflight::finding::Finding;
    use crate::preflight::judgement::Judgement;
    use crate::preflight::subject::{Subject, SubjectKind, VantagePoint};

    /// What a run finds.
    #[derive(Clone, Copy)]
    enum Found {
        Green,
        Failing,
        /// The time is over.
        Late,
        Error,
    }

    fn report(found: Found, number: usize) -> Result<Report, CommandError> {
        let judgement = match found {
            Found::Green => Judgement::pass(""),
            Found::Failing => Judgement::fail(number.to_string()),
            Found::Late => Judgement::unknown("late"),
            Found::Error => return Err(CommandError::new("error: no kubeconfig")),
        };
        let subject = Subject::new(SubjectKind::Host, "a");
        let check = checks::find("CPL210").unwrap();
        let finding = Finding::new(check, check.severity, subject, VantagePoint::Here, judgement);
        let report = Report::new(None, None, vec![finding]);
        Ok(Report { timed_out: matches!(found, Found::Late), ..report })
    }

    #[tokio::test]
    async fn runs_are_repeated_until_green_or_the_time_is_over() {
        use Found::{Error, Failing, Green, Late};
        let interval = Some(Duration::from_millis(1));
        let long = Some(Duration::from_secs(90));
        // What runs find, one after the other, and the interval; the number of runs, and what the last report says.
        let cases: [(&[Found], Option<Duration>, usize, &str); 7] = [
            (&[Failing, Green], None, 1, "Fail 1"),
            (&[Green], interval, 1, "Pass "),
            (&[Failing, Failing, Green], interval, 3, "Pass "),
            // The limit leaves no time for a second run.
            (&[Failing, Green], long, 1, "Fail 1"),
            (&[Failing, Failing, Late], interval, 3, "Fail 2"),
            (&[Late], interval, 1, "Unknown "),
            (&[Failing, Error], interval, 2, "error: no kubeconfig"),
        ];
        for (found, interval, runs, expected) in cases {
            let (number, missing) = (Cell::new(0), Cell::new(0));
            let run = async || {
                number.set(number.get() + 1);
                report(found[number.get() - 1], number.get())
            };
            let limit = TimeLimit::new(Duration::from_mins(1));
            let last = repeat(run, interval, &limit, |_| missing.set(missing.get() + 1)).await;
            let seen = match last {
                Ok(report) => format!("{} {}", report.findings[0].result(), report.findings[0].observed),
                Err(error) => error.message,
            };
            assert_eq!((number.get(), seen.as_str()), (runs, expected));
            let failing = found[..runs].iter().filter(|found| matches!(found, Failing)).count();
            assert_eq!(missing.get(), if interval.is_some() { failing } else { 0 });
        }
    }
}
