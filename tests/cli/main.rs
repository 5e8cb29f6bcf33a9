//! Tests of the release binary, which runs in the lab through the real kubectl.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod additions;
mod admission;
mod budget;
mod completion;
mod environment_failures;
mod filter;
mod first_install;
mod green;
mod harness;
mod health;
mod helm;
mod hidden;
mod images;
mod install;
mod interruption;
mod kubectl_habits;
mod laws;
mod machines;
mod nesting;
mod not_checked;
mod ownership;
mod permissions;
mod preflight;
mod requests;
mod rollback;
mod scanners;
mod screens;
mod secrets;
mod silence;
mod status;
mod sync_images;
mod tenant;
mod usage;
mod values;
mod whole_cluster;
