//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod assignment;
pub mod content;
pub mod decide;
pub mod destination;
pub mod inventory;
pub mod lint;
pub mod lock;
pub mod mirror;
pub mod plan;
pub mod prepare;
pub mod verify;
