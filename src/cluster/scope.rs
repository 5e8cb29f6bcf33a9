//! The part of a cluster that a command reads.

/// Everything, unless narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// One namespace instead of all.
    pub namespace: Option<String>,
    /// Label selector for workloads. With a selector, only workloads are read.
    pub selector: Option<String>,
}

impl Scope {
    pub const fn is_narrowed(&self) -> bool {
        self.namespace.is_some() || self.selector.is_some()
    }
}
