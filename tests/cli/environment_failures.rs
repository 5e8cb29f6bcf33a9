//! Failures of the environment. Each gives a clear message that names the object and the right exit code, and leaves
//! nothing half done.
//!
//! | failure | tests |
//! | --- | --- |
//! | no cluster, RBAC, a kind that cannot be listed, credential plugins | `cluster` |
//! | AWS credentials, IAM, another account, unknown region | `aws` |
//! | image missing, login, source down or throttling, truncated or wrong bytes, expired tokens | `source` |
//! | immutable tags, rejected manifests, full, throttling, truncated or wrong bytes | `destination` |
//! | names that ECR rejects | `names` |
//! | certificates, private CA, clock | `trust` |
//! | proxy and `NO_PROXY` | `proxy` |
//! | deleted, changed or paused workloads, admission, rollouts, nodes that cannot pull | `rollout`, `health` |
//! | new pods refused by quota, PodSecurity or a policy | `refused` |
//! | files, full disks, closed pipes, narrow terminals | `here` |
//! | a list whose continue token expires (410) | unit tests of `cluster::list` |
//! | Ctrl-C and `kill -9` | `interruption` |

mod aws;
mod cluster;
mod destination;
mod here;
mod names;
mod proxy;
mod refused;
mod rollout;
mod source;
mod trust;

/// Deployment, daemon set and cron jobs of Cast AI in the lab's first cluster.
const AGENT: &str = "Deployment/castai-agent";
const CONTROLLER: &str = "Deployment/castai-kvisor-controller";
const NODE_AGENT: &str = "DaemonSet/castai-kvisor-agent";
const PAUSE: &str = "CronJob/hibernate-pause";
const RESUME: &str = "CronJob/hibernate-resume";
const ALL: [&str; 5] = [AGENT, CONTROLLER, NODE_AGENT, PAUSE, RESUME];

/// Asserts that among Cast AI's workloads exactly `rewritten` differ from `before`, each in all its images.
#[track_caller]
fn assert_rewritten(
    before: &std::collections::BTreeMap<String, serde_json::Value>,
    lab: &lab::host::Lab,
    rewritten: &[&str],
) {
    let after = crate::harness::workload_specs(lab);
    for (name, workload) in &after {
        if rewritten.contains(&name.as_str()) {
            let text = workload["spec"].to_string();
            let count = |part: &str| text.matches(part).count();
            let (images, ours) =
                (count("\"image\":"), count(&format!("\"image\":\"{}/", crate::harness::MIRROR)));
            assert_eq!(images, ours, "{name} is not fully rewritten: {text}");
            assert!(workload["annotations"]["privatelink.cast.ai/images"].is_string(), "{name}");
        } else {
            assert_eq!(Some(workload), before.get(name), "{name} was changed");
        }
    }
}
