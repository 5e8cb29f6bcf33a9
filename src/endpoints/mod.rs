//! VPC endpoints for Cast AI's services: facts (I/O) → plan (pure) → changes (I/O).

pub mod apply;
pub mod aws_cli;
pub mod decide;
pub mod facts;
pub mod gather;
pub mod lack;
pub mod list;
pub mod offer;
pub mod plan;
pub mod run;
pub mod service_file;
pub mod settings;
pub mod terraform;
