//! Limits for concurrency and memory.

/// Number of blobs copied concurrently, unless `--jobs` is set.
pub const JOBS: u16 = 8;

/// All limits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent read requests of one kind: listings, manifests of an index, blob checks.
    pub reads: usize,
    /// Concurrent blob copies and repository creations.
    pub blobs: usize,
    /// Concurrent uploads over all blobs. Each has its own connection: an upload that waited for a connection would
    /// block the read that feeds it.
    pub uploads: usize,
    /// Maximum number of uploads that one read feeds.
    pub uploads_per_read: usize,
    /// Buffered parts per upload. The slowest upload limits the speed of the read.
    pub parts_in_flight: usize,
    /// Concurrent mounts and manifest writes.
    pub small_writes: usize,
    /// Blobs up to this size, in bytes, stay in memory, so that a retry of the upload does not read them again.
    pub held_blob: u64,
    /// Configs up to this size, in bytes, are read to find their platform.
    pub config: u64,
    /// Maximum nesting of indexes, and maximum number of manifests per image.
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
