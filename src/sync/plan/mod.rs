//! What has to be copied where: names in the mirror, and what registries hold of them.

pub mod assignment;
pub mod content;
pub mod decide;
pub mod lint;
pub mod prepare;
pub mod tree;
