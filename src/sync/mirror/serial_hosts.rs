//! Registries that take one upload at a time: they read the second body only after the first is complete, such as
//! go-containerregistry's in-memory one. A read that feeds two such uploads would wait for the second one for ever.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The hosts that are known to take one upload at a time. One read then feeds one upload to such a host.
#[derive(Default)]
pub(super) struct SerialHosts(watch::Sender<BTreeSet<String>>);

impl SerialHosts {
    pub(super) fn insert(&self, host: &str) {
        self.0.send_if_modified(|hosts| hosts.insert(host.to_owned()));
    }

    pub(super) fn contains(&self, host: &str) -> bool {
        self.0.borrow().contains(host)
    }

    /// For waiting until there is another one.
    pub(super) fn subscribe(&self) -> watch::Receiver<BTreeSet<String>> {
        self.0.subscribe()
    }

    /// Splits uploads into those that one read can feed, and the rest.
    pub(super) fn split<T>(&self, uploads: Vec<T>, host_of: impl Fn(&T) -> String) -> (Vec<T>, Vec<T>) {
        let hosts = self.0.borrow();
        let mut used = BTreeSet::new();
        uploads.into_iter().partition(|upload| {
            let host = host_of(upload);
            !hosts.contains(&host) || used.insert(host)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_read_feeds_one_upload_to_such_a_host() {
        let hosts = SerialHosts::default();
        let split = || hosts.split(vec!["a/1", "b/1", "a/2", "b/2"], |upload| upload[..1].to_owned());
        assert_eq!(split(), (vec!["a/1", "b/1", "a/2", "b/2"], vec![]));
        hosts.insert("a");
        assert_eq!(split(), (vec!["a/1", "b/1", "b/2"], vec!["a/2"]));
        hosts.insert("b");
        assert_eq!(split(), (vec!["a/1", "b/1"], vec!["a/2", "b/2"]));
    }
}
