//! The Kubernetes adapter: connecting, reading workloads and nodes, patching, watching rollouts.

mod connect;
mod credentials;
pub mod custom;
pub mod environment;
mod error;
mod exec_plugin;
mod gitops;
mod kubeconfig;
mod list;
mod listed;
mod namespaces;
mod nodes;
mod objects;
mod pages;
mod patch;
pub mod pods;
pub mod policy;
pub mod release;
pub mod rollout;
mod scope;
mod url;
mod value_source;
pub mod waiting;

pub use connect::{Connection, ConnectionFlags, connect};
pub use custom::list_custom_resources;
pub use error::{Error, ErrorKind};
pub use gitops::{drift_correcting_releases, self_healing_applications};
pub use kubeconfig::{ConfiguredNames, EksIdentity, configured_names};
pub use list::{Listed, list_workloads, read_workload};
pub use namespaces::namespaces;
pub use nodes::{Node, Nodes, nodes};
pub use patch::{PatchMode, patch};
pub use release::list_releases;
pub use scope::Scope;
pub use waiting::{list_pull_failures, list_waiting_pods};
