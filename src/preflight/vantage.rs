//! Vantage points: each gathers facts from its own location.

mod ecr;
pub mod here;
pub mod inputs;
mod metadata;
mod objects;
mod vpc;
