//! Why workloads keep their images for now.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// These images are not verified in the registry.
    NotVerified(BTreeSet<String>),
    Other(String),
}

impl HeldBack {
    /// Joins the reasons of two workloads, if they have the same cause.
    pub fn join(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotVerified(images), Self::NotVerified(others)) => {
                images.extend(others.iter().cloned());
                true
            }
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for HeldBack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVerified(images) => {
                let names = images.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                match images.len() {
                    1 => write!(formatter, "image not verified in the registry: {names}"),
                    _ => write!(formatter, "images not verified in the registry: {names}"),
                }
            }
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

impl Serialize for HeldBack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
