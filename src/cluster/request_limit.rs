//! `--request-timeout`: the limit of a request with its retries, and of a server that never responds as a whole.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::{Error, ErrorKind, ServerRoute};

/// Unless the flag is set.
const DEFAULT: Duration = Duration::from_secs(30);

/// The limit, shared by all clones of a connection.
#[derive(Clone)]
pub(super) struct RequestLimit {
    /// `None`: no limit.
    limit: Option<Duration>,
    contact: Arc<Contact>,
}

#[derive(Default)]
struct Contact {
    has_responded: AtomicBool,
    is_silent: AtomicBool,
}

impl RequestLimit {
    /// Zero means no limit, as in kubectl.
    pub(super) fn new(flag: Option<Duration>) -> Self {
        let limit = Some(flag.unwrap_or(DEFAULT)).filter(|limit| !limit.is_zero());
        Self { limit, contact: Arc::default() }
    }

    /// The result of `request`, or an error after the limit. If a server has never responded and did not within the
    /// limit, further requests fail at once: each would cost the same again.
    pub(super) async fn apply<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
        route: &ServerRoute,
    ) -> Result<T, Error> {
        let Some(limit) = self.limit else { return request.await };
        let Contact { has_responded, is_silent } = &*self.contact;
        if is_silent.load(Ordering::Relaxed) {
            return Err(Error::timed_out(route));
        }
        let Ok(result) = tokio::time::timeout(limit, request).await else {
            is_silent.store(!has_responded.load(Ordering::Relaxed), Ordering::Relaxed);
            return Err(Error::timed_out(route));
        };
        let is_response = !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable);
        has_responded.fetch_or(is_response, Ordering::Relaxed);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::future;
    use std::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    async fn ask<T>(
        limit: &RequestLimit,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        limit.apply(request, &ServerRoute::default()).await
    }

    #[tokio::test]
    async fn a_silent_server_costs_one_limit_whatever_the_number_of_requests() {
        let (limit, start) = (RequestLimit::new(Some(LIMIT)), Instant::now());
        let silent = || ask(&limit, future::pending::<Result<(), Error>>());
        let (one, two) = tokio::join!(silent(), silent());
        for result in [one, two, silent().await, silent().await] {
            assert_eq!(result.unwrap_err().to_string(), "Unable to connect to the server: timed out");
        }
        assert!((LIMIT..LIMIT * 3).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_server_that_responded_before_is_asked_again() {
        let (limit, start) = (RequestLimit::new(Some(LIMIT)), Instant::now());
        ask(&limit, async { Ok(()) }).await.unwrap();
        ask(&limit, future::pending::<Result<(), Error>>()).await.unwrap_err();
        ask(&limit, async { Ok(()) }).await.unwrap();
        assert!((LIMIT..LIMIT * 3).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn zero_means_no_limit() {
        let limit = RequestLimit::new(Some(Duration::ZERO));
        let late = async {
            tokio::time::sleep(LIMIT).await;
            Ok(7)
        };
        assert_eq!(ask(&limit, late).await, Ok(7));
    }
}
