//! A line for each request, as kubectl prints at `-v=6`: method, URL, status and time, and never a header or a body.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Instant;

/// What prints a line.
static PRINTER: OnceLock<fn(&str)> = OnceLock::new();

/// From now on, each request of the process is printed.
pub fn start(printer: fn(&str)) {
    // A second call changes nothing.
    let _ = PRINTER.set(printer);
}

/// A request that was sent.
pub struct Sent {
    /// Method and URL; `None` if requests are not printed.
    request: Option<String>,
    at: Instant,
}

impl Sent {
    /// The query must be removed from `url` where it may contain a signature.
    pub fn now(method: impl Display, url: impl Display) -> Self {
        let request = PRINTER.get().map(|_| format!("{method} {url}"));
        Self { request, at: Instant::now() }
    }

    /// Prints the request with its status, or why there was none.
    pub fn ended(&self, outcome: impl Display) {
        if let (Some(request), Some(print)) = (&self.request, PRINTER.get()) {
            print(&format!("{request} {outcome} in {} ms", self.at.elapsed().as_millis()));
        }
    }
}
