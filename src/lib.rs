//! `kubectl castai-privatelink`: proves that a cluster reaches Cast AI privately, and mirrors and rewrites the
//! images it needs.
//!
//! Every command has three steps: gather facts (I/O), decide on plain values (pure), apply or report (I/O).

#[cfg(test)]
mod architecture;
pub mod atomic_file;
pub mod aws;
pub mod castai;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod credentials;
#[cfg(test)]
mod documentation;
pub mod endpoints;
pub mod error;
pub mod event;
#[cfg(test)]
mod krew_manifest;
pub mod model;
pub mod output;
pub mod ownership;
pub mod parse;
pub mod permissions;
pub mod persist;
pub mod preflight;
pub mod printable;
pub mod registry;
#[cfg(test)]
mod schema_tests;
pub mod store;
pub mod sync;
pub mod transport;
