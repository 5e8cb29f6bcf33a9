//! Vantage points: what gathers facts, each from where it is.

mod ecr;
pub mod here;
mod metadata;
mod objects;
