//! The AWS adapters: configuration and identity, and the APIs of ECR and EC2.

pub mod client;
mod credential_problem;
pub mod ec2;
pub mod ecr;
mod endpoint;
pub mod error;
pub mod identity;
mod profile;
mod repository_creation;
pub mod rest;
pub mod signed;
mod templates;
#[cfg(test)]
pub(crate) mod testing;
pub mod xml;
