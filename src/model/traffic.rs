//! What a run exchanged with registries.

/// What went to and came from one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTraffic {
    /// Requests, each redirect and each further try counted too.
    pub requests: u64,
    /// Bytes of request bodies.
    pub sent: u64,
    /// Bytes of answers' bodies.
    pub received: u64,
}
