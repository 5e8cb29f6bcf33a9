//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod artifact;
pub mod assignment;
pub mod carriers;
pub mod claims;
pub mod content;
pub mod decide;
pub mod destination;
pub mod discover;
pub mod documents;
pub mod filter;
#[cfg(test)]
mod handed_over_tests;
pub mod inventory;
pub mod lint;
pub mod listing;
pub mod lock;
pub mod look;
pub mod manifests;
pub mod mirror;
pub mod ownership;
pub mod plan;
pub mod prepare;
pub mod presence;
pub mod provenance;
pub mod record;
pub mod report;
pub mod rewrite;
pub mod rollback;
pub mod rollout;
pub mod scanners;
pub mod status;
pub mod tree;
pub mod verify;
