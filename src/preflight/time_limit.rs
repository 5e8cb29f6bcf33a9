//! The time limit of a run.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};

/// The time limit of a run; none if the timeout is zero.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimit {
    timeout: Duration,
    /// `None` if there is no limit, or if it is later than clocks can say.
    deadline: Option<Instant>,
}

impl TimeLimit {
    /// Starts now.
    pub fn new(timeout: Duration) -> Self {
        let deadline = if timeout.is_zero() { None } else { Instant::now().checked_add(timeout) };
        Self { timeout, deadline }
    }

    /// The result of `work`, if it ends in time.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.deadline {
            Some(deadline) => timeout_at(deadline, work).await.ok(),
            None => Some(work.await),
        }
    }

    /// Whether more than this time is left.
    pub fn leaves(&self, duration: Duration) -> bool {
        self.deadline.is_none_or(|deadline| deadline.saturating_duration_since(Instant::now()) > duration)
    }

    /// The flag, as in `--timeout=1m 30s` without the space.
    pub fn flag(&self) -> String {
        let timeout = SignedDuration::try_from(self.timeout).unwrap_or(SignedDuration::MAX);
        format!("--timeout={}", format!("{timeout:#}").replace(' ', ""))
    }
}
