//! The AWS adapters: configuration and identity, ECR, and what its names say.

pub mod ecr;
pub mod error;
pub mod identity;
