//! Three machines: one reaches only the cluster, one only the registries, and one only the cluster again.
