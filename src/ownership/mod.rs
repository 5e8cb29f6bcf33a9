//! Who manages a workload's images, and what that means for an image that we set.

pub mod fields;
pub mod owners;
