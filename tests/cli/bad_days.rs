//! Bad days: each a clear message on the right object, the right exit code, and nothing half done.

mod aws;
mod cluster;
mod destination;
mod here;
mod rollout;
mod source;

/// Deployment, daemon set and cron jobs of Cast AI in the lab's first cluster.
const AGENT: &str = "Deployment/castai-agent";
const CONTROLLER: &str = "Deployment/castai-kvisor-controller";
const NODE_AGENT: &str = "DaemonSet/castai-kvisor-agent";
const PAUSE: &str = "CronJob/hibernate-pause";
const RESUME: &str = "CronJob/hibernate-resume";
const ALL: [&str; 5] = [AGENT, CONTROLLER, NODE_AGENT, PAUSE, RESUME];

/// Asserts that of Cast AI's workloads exactly `rewritten` differ from `before`, each in all its images.
#[track_caller]
fn assert_rewritten(
    before: &std::collections::BTreeMap<String, serde_json::Value>,
    lab: &lab::host::Lab,
    rewritten: &[&str],
) {
    let after = crate::support::workloads(lab);
    for (name, workload) in &after {
        if rewritten.contains(&name.as_str()) {
            let text = workload["spec"].to_string();
            let count = |part: &str| text.matches(part).count();
            let (images, ours) = (count("\"image\":"), count("\"image\":\"123456789012.dkr.ecr."));
            assert_eq!(images, ours, "{name} is not wholly rewritten: {text}");
            assert!(workload["annotations"]["privatelink.cast.ai/images"].is_string(), "{name}");
        } else {
            assert_eq!(Some(workload), before.get(name), "{name} was touched");
        }
    }
}
