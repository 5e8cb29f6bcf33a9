//! The AWS adapters: configuration and identity, and the ECR API.

pub mod client;
pub mod ecr;
pub mod error;
pub mod identity;
mod profile;
mod repository_creation;
mod templates;
