//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod artifact;
pub mod destination;
pub mod discover;
#[cfg(test)]
mod handed_over_tests;
pub mod listing;
pub mod mirror;
pub mod plan;
pub mod presence;
pub mod provenance;
pub mod report;
pub mod rewrite;
pub mod rollback;
pub mod rollout;
pub mod status;
pub mod verify;
