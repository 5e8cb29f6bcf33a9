//! Tests of the release binary, which runs in the lab through the real kubectl.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod accounts;
mod admission;
mod artifacts;
mod aws_login;
mod budget;
mod completion;
mod derived_images;
mod endpoints;
mod environment_failures;
mod first_install;
mod green;
mod harness;
mod health;
mod helm;
mod hooks_and_custom_resources;
mod images;
mod install;
mod interruption;
mod knowledge_and_maps;
mod kubectl_habits;
mod kubectl_reads;
mod laws;
mod nesting;
mod not_checked;
mod ownership;
mod permissions;
mod preflight;
mod preflight_pods;
mod probe_in_pods;
mod readiness;
mod repository_settings;
mod requests;
mod rewrite;
mod rollback;
mod screens;
mod secrets;
mod silence;
mod sources;
mod status;
mod sync_images;
mod tenant;
mod usage;
mod values;
mod whole_cluster;
