//! Recorded requests of the front servers: one record per request, with the bytes of its bodies.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A request in progress; its numbers grow while the bodies are transferred.
#[derive(Debug, Default)]
pub struct Exchange {
    host: String,
    method: String,
    path: String,
    operation: Option<String>,
    status: AtomicU16,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
}

/// A request as the control API shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub host: String,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The ECR API call, on both hosts of ECR.
    pub operation: Option<String>,
    /// 0 until there is a response, and for a request that never got one.
    pub status: u16,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
}

/// All requests to a front server since the last reset.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Mutex<Vec<Arc<Exchange>>>>);

impl Exchange {
    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn record(&self) -> Record {
        Record {
            host: self.host.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            operation: self.operation.clone(),
            status: self.status.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}

impl Traffic {
    pub(super) fn begin(
        &self,
        host: &str,
        method: &str,
        path: &str,
        operation: Option<String>,
    ) -> Arc<Exchange> {
        let exchange = Arc::new(Exchange {
            host: host.into(),
            method: method.into(),
            path: path.into(),
            operation,
            ..Exchange::default()
        });
        self.lock().push(Arc::clone(&exchange));
        exchange
    }

    pub fn records(&self) -> Vec<Record> {
        self.lock().iter().map(|exchange| exchange.record()).collect()
    }

    pub fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Exchange>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
