//! What makes a rewrite last where something else writes the images again: Helm's values, kustomize's images, patches
//! for GitOps, and a policy that renames images as pods are created. All of it is decided on plain values.

pub mod engine;
pub mod helm;
pub mod kustomize;
pub mod kyverno;
pub mod named;
pub mod names;
pub mod not_renamed;
pub mod policy;
pub mod verified;
