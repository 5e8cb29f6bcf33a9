//! Persists a rewrite where another owner writes the images: Helm values, kustomize images, patches for GitOps, and an
//! admission policy that renames images when pods are created.

pub mod engine;
pub mod helm;
pub mod kustomize;
pub mod kyverno;
pub mod named;
pub mod names;
pub mod not_renamed;
pub mod policy;
pub mod verified;
