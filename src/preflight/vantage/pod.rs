//! Pods as vantage points: each gathers facts from its node's subnet and with its own DNS servers.
//!
//! `plan` says what will be done, `run` does it: it pushes the probe image, creates one `ConfigMap` with the request and a
//! pod for each location, reads their reports, and removes what it created.

pub mod image;
pub mod labels;
pub mod leftovers;
pub mod manifest;
pub mod neighbours;
pub mod placement;
pub mod plan;
pub mod run;
pub mod status;
pub mod tracker;
