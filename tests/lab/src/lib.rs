//! The lab: a VPC in a box, where the unmodified plugin meets real parts under their real names.

pub mod address;
pub mod pki;
pub mod registry;
pub mod serve;
