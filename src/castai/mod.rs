//! What we know of Cast AI, as data with its sources: components, names of images, endpoints.

pub mod chart_values;
pub mod components;
pub mod endpoints;
pub mod knowledge;
pub mod resources;
