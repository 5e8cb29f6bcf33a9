//! Code that all tests share: labs, runs of the plugin in them, and access to the cluster and the
//! registries.

mod cluster;
mod files;
mod helm_release;
mod probe;
mod registries;
mod run;
mod snapshot;
mod terminal;
mod traffic;
mod vpc;
mod workloads;

pub(crate) use self::cluster::{
    apply, define_custom_resource, define_custom_resource_version, eventually, grant_access, kubeconfig_flag,
    kubectl, kubectl_json, wait_for_failed_pull,
};
pub(crate) use self::files::{read_json_file, write_file};
pub(crate) use lab::helm::{pack_release, release_secret};

pub(crate) use self::helm_release::HelmRelease;
pub(crate) use self::probe::probe_layers;
pub(crate) use self::registries::{
    AGENT, CONTROLLER, ECR, HIBERNATE, KVISOR, MIRROR, PATH, SCANNERS, ecr_digest, ecr_state, ecr_tags,
    first_images, mirrored_digest, mirrored_tags, publish, publish_to, set_tag, unpublish,
};
pub(crate) use self::run::{
    QUICK, assert_stderr_contains, complete_lab, empty_lab, own_lab, parse_json, plugin, plugin_without_aws,
    plugin_without_kubeconfig, run_with_input, shared_lab, sync, whole_cluster_lab,
};
pub(crate) use self::snapshot::{
    snapshot_document, snapshot_in_pipe, snapshot_on_terminals, snapshot_output, snapshot_text,
    snapshot_value,
};
pub(crate) use self::terminal::show_resized;
pub(crate) use self::traffic::{
    add_fault, clear_faults, clear_traffic, count_ecr_requests, ecr_writes, traffic, uploaded_blobs,
};
pub(crate) use self::vpc::{complete_vpc, ec2};
pub(crate) use self::workloads::{
    Workloads, castai_images, castai_workloads, container_image, other_workloads, our_writes,
    recorded_images, wait_until_ready, workload_specs,
};
