//! Endpoint services, and plans of endpoints.

mod list;
mod offer;
mod plan;
mod report;

pub use self::list::list;
pub use self::offer::offer;
pub use self::plan::{notes, plan, problems};
pub use self::report::{conclude, show_planned, step, work};
