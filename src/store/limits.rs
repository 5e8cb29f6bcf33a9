//! How much is done at the same time, and how much is held in memory meanwhile.

/// How many blobs are copied at a time unless `--jobs` says otherwise.
pub const JOBS: u16 = 8;

/// The limits of a run, all in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one kind that read: listings, manifests of an index, checks for blobs.
    pub reads: usize,
    /// Blobs that are copied, and repositories that are created.
    pub blobs: usize,
    /// Uploads that are open over all blobs. Each has a connection of its own, and a body that waited for one would
    /// hold up the read that feeds it.
    pub uploads: usize,
    /// Uploads that one read feeds.
    pub uploads_per_read: usize,
    /// Parts of a blob that wait for one upload. The slowest upload sets the pace of the read.
    pub parts_in_flight: usize,
    /// Mounts and manifests that are under way.
    pub small_writes: usize,
    /// Blobs up to this size, in bytes, are held in memory, so that an upload is retried without another read.
    pub held_blob: u64,
    /// Configs up to this size, in bytes, are read for their platform.
    pub config: u64,
    /// Nesting of indexes, and manifests of one image, that are followed.
    pub index_depth: usize,
    pub manifests_per_image: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads: 16,
            blobs: usize::from(JOBS),
            uploads: 64,
            uploads_per_read: 32,
            parts_in_flight: 2,
            small_writes: 16,
            held_blob: 1024 * 1024,
            config: 1024 * 1024,
            index_depth: 5,
            manifests_per_image: 1000,
        }
    }
}
