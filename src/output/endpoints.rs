//! Endpoint services, and plans of endpoints.

mod offer;
mod plan;
mod report;

pub use self::offer::offer;
pub use self::plan::plan;
pub use self::report::{conclude, notes, show_planned, step, work};
