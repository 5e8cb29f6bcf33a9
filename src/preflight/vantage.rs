//! Vantage points: what gathers facts, each from where it is.

mod ecr;
pub mod here;
pub mod inputs;
mod metadata;
mod objects;
