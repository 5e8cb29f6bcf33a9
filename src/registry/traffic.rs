//! Counts requests and bytes per host, so that the cost of a run can be reported and tested.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::traffic::HostTraffic;

#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Traffic(Mutex<BTreeMap<String, Arc<Counters>>>);

impl Traffic {
    pub(super) fn counters(&self, host: &str) -> Arc<Counters> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host.to_owned()).or_default())
    }

    pub(super) fn snapshot(&self) -> BTreeMap<String, HostTraffic> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts
            .iter()
            .map(|(host, counters)| {
                let traffic = HostTraffic {
                    requests: counters.requests.load(Ordering::Relaxed),
                    sent: counters.sent.load(Ordering::Relaxed),
                    received: counters.received.load(Ordering::Relaxed),
                };
                (host.clone(), traffic)
            })
            .collect()
    }
}
