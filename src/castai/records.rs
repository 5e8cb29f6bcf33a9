//! What this version knows of Cast AI: one record per component, in the schema of `--knowledge`.

use std::sync::LazyLock;

use crate::model::knowledge::Knowledge;
use crate::parse;

macro_rules! record {
    ($name:literal) => {
        ($name, include_str!(concat!("components/", $name, ".yaml")))
    };
}

/// Name and text of each record. A component is one file and one line here; shared knowledge comes first.
pub(super) const FILES: &[(&str, &str)] = &[
    record!("common"),
    record!("castai-agent"),
    record!("castai-ai-optimizer-proxy"),
    record!("castai-audit-logs-receiver"),
    record!("castai-chart-upgrader"),
    record!("castai-cloud-proxy"),
    record!("castai-cluster-controller"),
    record!("castai-db-agent"),
    record!("castai-db-optimizer"),
    record!("castai-db-proxy"),
    record!("castai-dbo"),
    record!("castai-evictor"),
    record!("castai-hibernate"),
    record!("castai-hosted-model"),
    record!("castai-kentroller"),
    record!("castai-kvisor"),
    record!("castai-live"),
    record!("castai-pod-mutator"),
    record!("castai-pod-node-lifecycle"),
    record!("castai-pod-pinner"),
    record!("castai-scheduling-policies-controller"),
    record!("castai-spot-handler"),
    record!("castai-umbrella"),
    record!("castai-watchdog"),
    record!("castai-workload-autoscaler"),
    record!("castai-workload-autoscaler-exporter"),
    record!("castware-components"),
    record!("castware-operator"),
    record!("egressd"),
    record!("gpu-metrics-exporter"),
    record!("liqo"),
    record!("omni-agent"),
];

/// All records, parsed on first use.
pub fn records() -> &'static [Knowledge] {
    // A test parses each file, so that no error is ignored here.
    static RECORDS: LazyLock<Vec<Knowledge>> =
        LazyLock::new(|| FILES.iter().filter_map(|(_, text)| parse::yaml::from_str(text, 1).ok()).collect());
    &RECORDS
}

/// Our records alone, for lookups where users cannot add anything.
pub fn built_in() -> &'static Knowledge {
    static NOTHING_ADDED: LazyLock<Knowledge> = LazyLock::new(Knowledge::default);
    &NOTHING_ADDED
}

impl Knowledge {
    /// Our records, followed by the user's additions.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        records().iter().chain([self])
    }
}
