//! The source of a connection's value.

use std::fmt;

/// Where a value comes from, for messages.
#[derive(Clone, Debug)]
pub(super) enum ValueSource {
    /// A flag, including its dashes.
    Flag(&'static str),
    /// A field of the kubeconfig user or cluster with this name.
    Entry { field: &'static str, kind: &'static str, name: String },
}

impl fmt::Display for ValueSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => formatter.write_str(flag),
            Self::Entry { field, kind, name } => write!(formatter, "{field} of {kind} {name:?}"),
        }
    }
}

impl ValueSource {
    pub(super) fn user(field: &'static str, name: &str) -> Self {
        Self::Entry { field, kind: "user", name: name.to_owned() }
    }

    pub(super) fn cluster(field: &'static str, name: &str) -> Self {
        Self::Entry { field, kind: "cluster", name: name.to_owned() }
    }
}
