//! What of a cluster a command reads.

/// All of it, unless narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// One namespace instead of all.
    pub namespace: Option<String>,
    /// Label selector that workloads must match. It chooses workloads alone, and leaves everything else out.
    pub selector: Option<String>,
}

impl Scope {
    pub const fn is_narrowed(&self) -> bool {
        self.namespace.is_some() || self.selector.is_some()
    }
}
