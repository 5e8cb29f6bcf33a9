//! Uploads one blob to several repositories: one read, several uploads, bounded memory.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future;
use tokio::sync::{Notify, mpsc};

use crate::store::{BlobReader, Error, Finished, Repository, Store, UploadBody, UploadSession};
use crate::sync::mirror::{BlobUpload, Receiver, RepositoryKey, Run, all_copies};
use crate::sync::plan::tree::small_blob;

/// The result of one upload.
struct Outcome<'r> {
    key: RepositoryKey<'r>,
    result: Result<(), Failure>,
}

/// Why an upload is not complete.
#[derive(Clone)]
enum Failure {
    /// The source could not be read, after all retries of the read, so the upload is not retried.
    Source(Error),
    Destination(Error),
    /// The registry redirected it. What was sent is lost.
    Moved(UploadSession),
    /// It had not begun while others of the same read waited for it.
    SetAside,
}

impl<'r> Outcome<'r> {
    /// The outcome of the request that ends an upload.
    fn of_request(key: RepositoryKey<'r>, result: Result<Finished, Error>) -> Self {
        let result = match result {
            Ok(Finished::Stored) => Ok(()),
            Ok(Finished::Moved(session)) => Err(Failure::Moved(session)),
            Err(error) => Err(Failure::Destination(error)),
        };
        Self { key, result }
    }
}

impl<'r> Run<'r> {
    /// Uploads a blob to all of `receivers`, and opens their gates.
    pub(super) async fn deliver(&self, upload: &'r BlobUpload<'r>, receivers: Vec<Receiver<'r>>) {
        let digest = &upload.blob.digest;
        // A repository that could not be created already has its result.
        let mut open: Vec<Receiver<'r>> =
            receivers.into_iter().filter(|receiver| !self.is_settled(receiver.key, digest)).collect();
        let limits = self.sources.limits();
        let mut retries = self.sources.retries();
        let mut sources = self.sources(upload);
        while !open.is_empty() {
            let Some(source) = sources.first().cloned() else {
                return;
            };
            let (now, later) = if upload.blob.size <= limits.held_blob {
                (open, Vec::new())
            } else {
                self.serial_hosts.split(open, |receiver| self.repository(receiver.key).host)
            };
            let streams = u32::try_from(now.len().min(limits.uploads_per_read)).unwrap_or(1);
            let Ok(_permit) = self.streams.acquire_many(streams).await else {
                return;
            };
            let outcomes = if upload.blob.size <= limits.held_blob {
                self.upload_held(upload, &source, now).await
            } else {
                self.upload_streamed(upload, &source, now).await
            };
            open = later;
            let mut reason = None;
            // If one source fails, a blob that several images share is read from the source of another image.
            let failure = outcomes.iter().find_map(|outcome| match &outcome.result {
                Err(Failure::Source(error)) => Some(error.is_unreachable()),
                _ => None,
            });
            if let Some(is_host_down) = failure
                && sources.iter().skip(1).any(|other| !is_host_down || other.host != source.host)
            {
                sources.retain(|other| *other != source && (!is_host_down || other.host != source.host));
            }
            let has_other_source = sources.first() != Some(&source);
            for Outcome { key, result } in outcomes {
                match result {
                    Ok(()) => {
                        self.progress.sent(key, digest, upload.blob.size);
                        self.open(key, digest, Ok(()));
                    }
                    Err(Failure::Source(_)) if has_other_source => {
                        open.push(Receiver { key, session: None });
                    }
                    Err(Failure::SetAside) => open.push(Receiver { key, session: None }),
                    Err(Failure::Moved(session)) => open.push(Receiver { key, session: Some(session) }),
                    Err(Failure::Destination(error))
                        if error.is_transient() && retries.has_attempts_left() =>
                    {
                        open.push(Receiver { key, session: None });
                        reason = Some((key, error));
                    }
                    Err(Failure::Source(error) | Failure::Destination(error)) => {
                        self.open(key, digest, Err(error.to_string().into()));
                    }
                }
            }
            if let Some(reason) = reason {
                let host = self.repository(reason.0).host;
                retries.pause(&host, &reason.1).await;
            }
        }
    }

    /// The repositories with the blob: the planned one, then those of the other images that share it.
    fn sources(&self, upload: &BlobUpload<'_>) -> Vec<Repository> {
        let mut sources = vec![self.sources.repository_of(upload.from)];
        for copy in all_copies(self.destinations) {
            let mut blobs = copy.content.manifests.iter().flat_map(|manifest| &manifest.blobs);
            let source = self.sources.repository_of(copy.source);
            if !sources.contains(&source) && blobs.any(|blob| blob.digest == upload.blob.digest) {
                sources.push(source);
            }
        }
        sources
    }

    async fn upload_held(
        &self,
        upload: &'r BlobUpload<'r>,
        source: &Repository,
        receivers: Vec<Receiver<'r>>,
    ) -> Vec<Outcome<'r>> {
        let digest = &upload.blob.digest;
        let bytes = match self.cache.sources().config(digest) {
            Some(bytes) => Ok(bytes),
            None => small_blob(self.sources, source, digest, upload.blob.size).await,
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                return all(receivers.iter().map(|receiver| receiver.key), &Failure::Source(error));
            }
        };
        let uploads = receivers.into_iter().map(|receiver| {
            let body = UploadBody::Whole(bytes.clone());
            async move {
                let repository = self.repository(receiver.key);
                let store = self.store(receiver.key);
                let result = async {
                    let session = open_upload(store, &repository, receiver.session).await?;
                    store.finish_upload(&repository, session, digest, body).await
                };
                Outcome::of_request(receiver.key, result.await)
            }
        });
        future::join_all(uploads).await
    }

    async fn upload_streamed(
        &self,
        upload: &'r BlobUpload<'r>,
        source: &Repository,
        receivers: Vec<Receiver<'r>>,
    ) -> Vec<Outcome<'r>> {
        let (digest, size) = (&upload.blob.digest, upload.blob.size);
        let paths: Vec<RepositoryKey<'r>> = receivers.iter().map(|receiver| receiver.key).collect();
        let opening = receivers.into_iter().map(|receiver| async move {
            let repository = self.repository(receiver.key);
            let store = self.store(receiver.key);
            open_upload(store, &repository, receiver.session).await
        });
        let (reader, sessions) =
            future::join(self.sources.blob(source, digest, size), future::join_all(opening)).await;
        let reader = match reader {
            Ok(reader) => reader,
            Err(error) => return all(paths.into_iter(), &Failure::Source(error)),
        };
        let signals: Vec<Signals> = paths.iter().map(|_| Signals::default()).collect();
        let mut outlets = Vec::new();
        let mut outcomes = Vec::new();
        let mut uploads = Vec::new();
        for ((key, session), signals) in paths.into_iter().zip(sessions).zip(&signals) {
            match session {
                Err(error) => outcomes.push(Outcome { key, result: Err(Failure::Destination(error)) }),
                Ok(session) => {
                    let (sender, parts) = mpsc::channel(self.sources.limits().parts_in_flight);
                    let host = self.repository(key).host;
                    outlets.push(Outlet { key, host, sender, signals });
                    uploads.push(async move {
                        let (store, repository) = (self.store(key), self.repository(key));
                        let body = UploadBody::Parts { parts, size };
                        let outcome = tokio::select! {
                            biased;
                            result = store.finish_upload(&repository, session, digest, body) => {
                                Outcome::of_request(key, result)
                            }
                            () = signals.set_aside.notified() => {
                                Outcome { key, result: Err(Failure::SetAside) }
                            }
                        };
                        signals.ended.notify_one();
                        outcome
                    });
                }
            }
        }
        if uploads.is_empty() {
            return outcomes;
        }
        let (read, uploaded) =
            future::join(self.feed(upload, reader, outlets), future::join_all(uploads)).await;
        for outcome in uploaded {
            // If the source failed, that is the cause, not the upload body that ended because of it.
            let result = match (&read, outcome.result) {
                (Err(error), Err(_)) => Err(Failure::Source(error.clone())),
                (_, result) => result,
            };
            outcomes.push(Outcome { key: outcome.key, result });
        }
        outcomes
    }

    /// Reads the blob and sends each part to every upload that is still running.
    async fn feed(
        &self,
        upload: &'r BlobUpload<'r>,
        mut reader: BlobReader<'_>,
        mut outlets: Vec<Outlet<'r, '_>>,
    ) -> Result<(), Error> {
        let mut sent = 0;
        while let Some(part) = reader.next().await? {
            let is_beginning = sent <= UNREAD_BYTES;
            sent += part.len() as u64;
            let taken = self.send_part(&outlets, &part, is_beginning).await;
            let mut taken = taken.into_iter();
            outlets.retain(|_| taken.next().unwrap_or(false));
            if outlets.is_empty() {
                break;
            }
            for outlet in &outlets {
                self.progress.sent(outlet.key, &upload.blob.digest, sent);
            }
        }
        Ok(())
    }

    /// Waits until every upload took a part. Those that have not begun while others wait for them are set aside.
    /// Returns which of them took it.
    async fn send_part(&self, outlets: &[Outlet<'r, '_>], part: &Bytes, is_beginning: bool) -> Vec<bool> {
        let mut taken: Vec<Option<bool>> = outlets.iter().map(|outlet| outlet.try_send(part)).collect();
        while taken.contains(&None) {
            let has_siblings = is_beginning && outlets.len() > 1;
            if has_siblings {
                self.leave_one_per_serial_host(outlets, &mut taken);
            }
            let waiting = outlets.iter().zip(&mut taken).filter(|(_, taken)| taken.is_none());
            let sends = waiting.map(|(outlet, taken)| async move {
                *taken = Some(outlet.send(part.clone()).await);
            });
            let sends = future::join_all(sends);
            if !has_siblings {
                sends.await;
                break;
            }
            let mut serial_hosts = self.serial_hosts.subscribe();
            tokio::select! {
                biased;
                _ = sends => {}
                // The host of these uploads may be among them since this read began.
                _ = serial_hosts.changed() => {}
                () = tokio::time::sleep(self.sources.upload_start_timeout()) => {
                    self.set_stalled_aside(outlets, &mut taken);
                }
            }
        }
        taken.into_iter().map(|taken| taken == Some(true)).collect()
    }

    /// Sets uploads aside that have taken nothing for too long, if another one waits for this read.
    fn set_stalled_aside(&self, outlets: &[Outlet<'r, '_>], taken: &mut [Option<bool>]) {
        let advancing = outlets.iter().zip(taken.iter());
        let advancing = advancing.filter(|(outlet, taken)| **taken == Some(true) && outlet.is_drained());
        let advancing: BTreeSet<&str> = advancing.map(|(outlet, _)| outlet.host.as_str()).collect();
        if advancing.is_empty() {
            return;
        }
        for (outlet, taken) in outlets.iter().zip(taken).filter(|(_, taken)| taken.is_none()) {
            if advancing.contains(outlet.host.as_str()) {
                self.serial_hosts.insert(&outlet.host);
            }
            outlet.set_aside(taken);
        }
    }

    /// Sets uploads aside so that each serial host has one.
    fn leave_one_per_serial_host(&self, outlets: &[Outlet<'r, '_>], taken: &mut [Option<bool>]) {
        let advancing = outlets.iter().zip(taken.iter()).filter(|(_, taken)| **taken == Some(true));
        let mut used: BTreeSet<&str> = advancing.map(|(outlet, _)| outlet.host.as_str()).collect();
        for (outlet, taken) in outlets.iter().zip(taken).filter(|(_, taken)| taken.is_none()) {
            if self.serial_hosts.contains(&outlet.host) && !used.insert(outlet.host.as_str()) {
                outlet.set_aside(taken);
            }
        }
    }
}

/// What the buffers on the way to a server can take before it reads a byte: those of the sending and the receiving
/// system, 4 MiB and 128 KiB on Linux, and of programs between them.
const UNREAD_BYTES: u64 = 8 * 1024 * 1024;

/// Between an upload and the read that feeds it.
#[derive(Default)]
struct Signals {
    /// The upload ended. A server may respond early and stop reading.
    ended: Notify,
    /// The upload is cancelled, and done later with a read of its own.
    set_aside: Notify,
}

/// The sending side of one upload.
struct Outlet<'r, 'n> {
    key: RepositoryKey<'r>,
    host: String,
    sender: mpsc::Sender<Bytes>,
    signals: &'n Signals,
}

impl Outlet<'_, '_> {
    /// Whether the upload accepted the part; `None` if it must wait.
    fn try_send(&self, part: &Bytes) -> Option<bool> {
        match self.sender.try_send(part.clone()) {
            Ok(()) => Some(true),
            Err(mpsc::error::TrySendError::Closed(_)) => Some(false),
            Err(mpsc::error::TrySendError::Full(_)) => None,
        }
    }

    /// Returns whether the upload accepted the part.
    async fn send(&self, part: Bytes) -> bool {
        tokio::select! {
            biased;
            () = self.signals.ended.notified() => false,
            sent = self.sender.send(part) => sent.is_ok(),
        }
    }

    fn set_aside(&self, taken: &mut Option<bool>) {
        self.signals.set_aside.notify_one();
        *taken = Some(false);
    }

    /// Whether the upload waits for the next part.
    fn is_drained(&self) -> bool {
        self.sender.capacity() == self.sender.max_capacity()
    }
}

async fn open_upload(
    destination: &Store<'_>,
    repository: &Repository,
    session: Option<UploadSession>,
) -> Result<UploadSession, Error> {
    match session {
        Some(session) => Ok(session),
        None => destination.start_upload(repository).await,
    }
}

fn all<'r>(paths: impl Iterator<Item = RepositoryKey<'r>>, failure: &Failure) -> Vec<Outcome<'r>> {
    paths.map(|key| Outcome { key, result: Err(failure.clone()) }).collect()
}
