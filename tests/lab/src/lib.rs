//! The lab: a VPC in a box, where the unmodified plugin meets real parts under their real names.

pub mod address;
pub mod aws;
pub mod castai;
pub mod dns;
pub mod metadata;
pub mod kubelet;
pub mod pki;
pub mod serve;
