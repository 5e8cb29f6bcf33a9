//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod assignment;
pub mod inventory;
pub mod lock;
pub mod plan;
