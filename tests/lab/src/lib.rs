//! The lab: a VPC on one machine, in which the unmodified plugin runs against real parts with their real names.

pub mod address;
pub mod api_server;
pub mod aws;
pub mod castai;
pub mod cluster;
pub mod control_plane;
pub mod demo;
pub mod dns;
pub mod github;
pub mod helm;
pub mod host;
pub mod impostor;
pub mod injector;
pub mod inside;
pub mod kubeconfig;
pub mod kubelet;
mod layers;
pub mod metadata;
pub mod network;
pub mod pki;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod seed;
pub mod serve;
pub mod settings;
