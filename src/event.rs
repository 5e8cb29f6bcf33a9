//! Progress as events: the work emits them, `output` renders them, nothing else prints.

use crate::model::image::Image;
use crate::model::inventory::WorkloadName;

/// Progress that a waiting user should see immediately.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step of the pipeline started, such as "planning".
    Stage(Stage),
    /// A problem that does not stop the work.
    Warning(String),
    /// Useful information, printed as it is: `note: …` or `hint: …`.
    Note(String),
    /// Totals of the mirroring that follows: bytes to upload and images to copy.
    MirrorStarted {
        images: usize,
        bytes: u64,
    },
    /// Copying an image starts; `bytes` is what it adds to the destination.
    ImageStarted {
        image: Image,
        bytes: u64,
    },
    /// Bytes that arrived at the destination for an image.
    ImageProgress {
        image: Image,
        bytes: u64,
    },
    /// An image is complete under its tag.
    ImageCopied {
        image: Image,
    },
    /// An image failed; the others continue.
    ImageFailed {
        image: Image,
    },
    /// A host has not responded to a request for this time, and may never do.
    Silent {
        host: String,
        seconds: u64,
    },
    /// A request is retried: host, reason, delay in milliseconds.
    Retry {
        host: String,
        reason: String,
        milliseconds: u64,
    },
    MirrorFinished,
    /// Checks are repeated until nothing is missing any more.
    NotReady {
        missing: String,
    },
    /// This number of workloads will be changed.
    ChangesStarted {
        workloads: usize,
    },
    /// A workload's images were patched, and its rollout is being watched.
    RolloutStarted {
        workload: WorkloadName,
        /// Whether an earlier run patched it.
        is_resumed: bool,
    },
    /// Progress of the rollout, in kubectl's words.
    RolloutProgress {
        workload: WorkloadName,
        message: String,
        /// Whether the rollout cannot go on without help.
        is_blocked: bool,
    },
    RolloutFinished {
        workload: WorkloadName,
        message: String,
    },
}

/// The steps of the pipeline that take long enough to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Discover,
    Plan,
    Mirror,
    Verify,
    Rewrite,
    Preflight,
}

/// Receives events. Rendering is quick, so emitting never blocks.
pub type Observer<'a> = &'a (dyn Fn(Event) + Send + Sync);
