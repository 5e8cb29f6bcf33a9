//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod assignment;
pub mod carriers;
pub mod discover;
pub mod inventory;
pub mod lock;
pub mod manifests;
pub mod plan;
pub mod record;
pub mod rewrite;
pub mod rollout;
