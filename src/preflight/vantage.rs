//! Vantage points: where the network is looked at from.

pub mod here;

mod ecr;
pub mod metadata;

use std::fmt;

/// Where something was seen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vantage {
    /// The machine that runs this program.
    Here,
}

impl fmt::Display for Vantage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Here => "here",
        })
    }
}
