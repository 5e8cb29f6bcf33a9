//! The registries of the lab: the public ones that images come from, ECR, and an in-house registry.
//!
//! The real CNCF distribution stores the content; front servers add the behaviour of each registry, record the
//! traffic and apply fault rules.

pub mod body;
pub mod distribution;
pub mod ecr;
pub mod fault;
pub mod fixture;
pub mod front;
pub mod image;
pub mod oci;
pub mod publish;
pub mod route;
pub mod source;
pub mod traffic;
pub mod upstream;

#[cfg(test)]
mod harness;
