//! Who manages a workload's images, and what that means for an image that we set.

pub mod claims;
pub mod owners;
