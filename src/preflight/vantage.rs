//! Vantage points: each gathers facts from its own location.

mod ecr;
pub mod here;
mod metadata;
mod objects;
