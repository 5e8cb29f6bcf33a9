//! When to retry a request, and after which delay.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use crate::registry::Cause;
use crate::transport::Settings;

/// Maximum backoff, and maximum `Retry-After` of a server that is honoured.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Retries for a host that never responded: its timeouts add up, and it rarely recovers.
const RETRIES_OF_UNRESPONSIVE_HOSTS: u32 = 2;

/// The attempts of one request.
#[derive(Debug)]
pub(super) struct Retries {
    limit: u32,
    delay: Duration,
    done: u32,
}

impl Retries {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { limit: settings.retries, delay: settings.retry_delay, done: 0 }
    }

    /// The backoff before a retry after `status`, or `None` if it is not retried.
    pub(super) fn after_status(&mut self, status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        if !is_retryable(status) {
            return None;
        }
        let requested = retry_after(headers, Timestamp::now());
        if requested.is_some_and(|delay| delay > MAX_RETRY_AFTER) {
            return None;
        }
        let drawn = self.next(self.limit)?;
        Some(requested.unwrap_or(drawn))
    }

    /// The backoff before a retry after a connection failure.
    pub(super) fn after_cause(&mut self, cause: &Cause) -> Option<Duration> {
        match cause {
            Cause::Blocked(_) => None,
            Cause::Dns | Cause::ConnectTimeout => self.next(self.limit.min(RETRIES_OF_UNRESPONSIVE_HOSTS)),
            Cause::Refused | Cause::Timeout | Cause::Reset(_) => self.next(self.limit),
        }
    }

    /// Full jitter: a random delay below a bound that doubles with each attempt.
    pub(super) fn next(&mut self, limit: u32) -> Option<Duration> {
        if self.done >= limit {
            return None;
        }
        let bound = self.delay.saturating_mul(2_u32.saturating_pow(self.done)).min(MAX_BACKOFF);
        self.done += 1;
        Some(bound.mul_f64(rand::random::<f64>()))
    }
}

fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// The delay that a response requests.
pub(super) fn requested_delay(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers, Timestamp::now())
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::fault::Fault;

    fn settings(retries: u32) -> Settings {
        Settings { retries, ..Settings::default() }
    }

    fn headers(retry_after: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
        headers
    }

    #[test]
    fn only_transient_responses_are_retried() {
        for (status, again) in
            [(429, true), (503, true), (500, true), (408, true), (404, false), (403, false)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            let delay = Retries::new(&settings(5)).after_status(status, &HeaderMap::new());
            assert_eq!(delay.is_some(), again, "{status}");
        }
    }

    #[test]
    fn the_server_may_set_the_delay_within_limits() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let cases = [
            ("7", Some(7)),
            ("Thu, 01 Jan 2026 00:00:09 GMT", Some(9)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", Some(0)),
            ("soon", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(retry_after(&headers(text), now), seconds.map(Duration::from_secs), "{text}");
        }
        let mut retries = Retries::new(&settings(5));
        let delay = retries.after_status(StatusCode::TOO_MANY_REQUESTS, &headers("3600"));
        assert_eq!(delay, None, "an hour is too long to wait");
    }

    #[test]
    fn backoff_grows_within_its_bounds_and_ends() {
        let mut retries = Retries::new(&settings(3));
        let mut bound = Duration::from_millis(500);
        for _ in 0..3 {
            let delay = retries.after_cause(&Cause::Refused).unwrap();
            assert!(delay <= bound, "{delay:?}");
            bound *= 2;
        }
        assert_eq!(retries.after_cause(&Cause::Refused), None);
        assert_eq!(Retries::new(&settings(3)).after_cause(&Cause::Blocked(Fault::WrongName)), None);
    }
}
