//! Endpoint services, and plans of endpoints.

mod offer;
mod plan;

pub use self::offer::offer;
pub use self::plan::plan;
