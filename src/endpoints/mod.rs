//! VPC endpoints for Cast AI's services.

pub mod offer;
