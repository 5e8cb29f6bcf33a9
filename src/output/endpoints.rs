//! Endpoint services, and plans of endpoints.

mod offer;
mod plan;
mod report;

pub use self::offer::offer;
pub use self::plan::{notes, plan, problems};
pub use self::report::{conclude, show_planned, step, work};
