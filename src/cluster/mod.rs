//! The Kubernetes adapter: connecting, reading workloads and nodes, patching, watching rollouts.

mod connect;
mod error;
mod kubeconfig;
mod list;
mod nodes;
mod patch;
pub mod pods;
pub mod rollout;
pub mod workload;

pub use connect::{Connection, ConnectionFlags, connect};
pub use error::{Error, ErrorKind};
pub use kubeconfig::EksIdentity;
pub use list::{Listed, list_workloads, read_workload};
pub use nodes::{Node, Nodes, nodes};
pub use patch::{FIELD_MANAGER, PatchMode, patch};
