//! Durations.

use std::time::Instant;

/// Runs a future, and returns its duration in milliseconds.
pub async fn timed<T>(future: impl Future<Output = T>) -> (u64, T) {
    let started = Instant::now();
    let value = future.await;
    (u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), value)
}
