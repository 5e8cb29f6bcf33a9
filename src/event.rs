//! Progress as events: the work emits them, `output` renders them, nothing else prints.

use crate::model::image::Image;
use crate::model::inventory::WorkloadName;

/// Something that a person who waits wants to know now.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step of the pipeline begins, such as "planning".
    Stage(Stage),
    /// Something that does not stop the work.
    Warning(String),
    /// Something worth knowing, as it is printed: `note: …` or `hint: …`.
    Note(String),
    /// The amounts of the mirroring that follows, in bytes to upload and images to copy.
    MirrorStarted {
        images: usize,
        bytes: u64,
    },
    /// An image's first byte is about to move; `bytes` is what it adds to the destination.
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
    /// An image failed; the others go on.
    ImageFailed {
        image: Image,
    },
    /// A request is tried again: which host, why, after how many milliseconds.
    Retry {
        host: String,
        reason: String,
        milliseconds: u64,
    },
    MirrorFinished,
    /// A workload's images were patched, and its rollout is waited for.
    RolloutStarted {
        workload: WorkloadName,
    },
    /// How far the rollout is, in kubectl's words.
    RolloutProgress {
        workload: WorkloadName,
        message: String,
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
    Rollout,
    Preflight,
}

/// Where events go. Rendering is quick, so emitting never waits.
pub type Observer<'a> = &'a (dyn Fn(Event) + Send + Sync);
