//! The values that pipeline steps pass on: plain data, without I/O.

pub mod admission_policy;
pub mod aws_partition;
pub mod cluster_plan;
pub mod field_manager;
pub mod image;
pub mod image_field;
pub mod inventory;
pub mod knowledge;
pub mod lock;
pub mod name_map;
pub mod owner;
pub mod plan;
pub mod pod_template;
pub mod provenance;
pub mod record;
pub mod repository_settings;
pub mod source_registry;
pub mod traffic;
pub mod workload;
pub mod workload_kind;
