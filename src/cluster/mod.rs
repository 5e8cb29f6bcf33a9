//! The Kubernetes adapter: connecting, reading workloads and nodes, patching, watching rollouts.

pub mod workload;
