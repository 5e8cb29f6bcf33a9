//! AWS, as far as the product needs it.

pub mod ecr;
