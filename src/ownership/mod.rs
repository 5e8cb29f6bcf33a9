//! Who manages a workload's images, and what that means for the images that we set.

pub mod fields;
pub mod owners;
