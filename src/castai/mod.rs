//! What we know of Cast AI, as data with its sources: a record per component, and the endpoint services.
//!
//! Records have the schema of `--knowledge`, whose types are in [`crate::model::knowledge`]. All lookups are methods of
//! that type, implemented here.

pub mod chart_values;
pub mod component_endpoints;
pub mod components;
pub mod derivation;
pub mod endpoints;
pub mod knowledge;
#[cfg(test)]
mod page_tests;
mod records;
pub mod resources;
#[cfg(test)]
mod tests;

pub use self::records::{built_in, records};
