//! Vantage points: each gathers facts from its own location.

mod ecr;
pub mod here;
pub mod inputs;
mod metadata;
mod objects;
pub mod pod;
mod vpc;
