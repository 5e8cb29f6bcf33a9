//! What is sent, and what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Response, Url};

use crate::registry::Repository;

/// A request that can be sent any number of times.
pub(super) struct Request<'r> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) repository: &'r Repository,
    /// What is asked for, for messages: `manifest v1`.
    pub(super) object: String,
    /// The tag that is written, if one is.
    pub(super) tag: Option<&'r str>,
    /// Token scopes, sorted.
    pub(super) scopes: Vec<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) body_mode: BodyMode,
}

/// What becomes of the answer's body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyMode {
    /// Read completely, up to this limit in bytes; a failure counts as a failure of the request.
    Whole(usize),
    /// It is handed on if the request succeeded.
    Stream,
}

pub(super) struct RegistryResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where the answer came from, after redirects; of a redirect that is not followed, its target.
    pub(super) url: Url,
    pub(super) body: Bytes,
    pub(super) stream: Option<Response>,
}

/// Whether a redirect keeps method and body (RFC 9110, sections 15.4.8 and 15.4.9).
pub(super) fn is_moved(status: StatusCode) -> bool {
    matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
}

/// A body that can be sent once, and how far that is.
pub(super) struct OnceBody {
    pub(super) body: reqwest::Body,
    pub(super) progress: Arc<BodyProgress>,
}

/// Distinguishes a stalled receiver from one that waits for the source.
#[derive(Debug, Default)]
pub(super) struct BodyProgress {
    pub(super) sent: AtomicU64,
    pub(super) is_waiting: AtomicBool,
}

impl BodyProgress {
    /// Waits for the source.
    pub(super) async fn waiting<T>(&self, part: impl Future<Output = T>) -> T {
        self.is_waiting.store(true, Ordering::Relaxed);
        let part = part.await;
        self.is_waiting.store(false, Ordering::Relaxed);
        part
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}
