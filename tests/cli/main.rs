//! The shipped binary, driven through the real kubectl in the lab.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_days;
mod filter;
mod health;
mod interruption;
mod laws;
mod machines;
mod observed;
mod preflight;
mod releases;
mod support;
mod sync_images;
mod usage;
