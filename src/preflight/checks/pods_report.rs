//! CPL503: the probe ran and reported.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::pods::{Ended, PodRun};

pub static CHECK: Check = Check {
    code: "CPL503",
    title: "the probe ran and reported",
    category: Category::Pods,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL502")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &["get pods/log (optional)"],
    explanation: "The probe writes what it sees to its termination message and, if that is too short, to its \
                  log. Without a report, nothing is known of the network from there. A container may take 45 \
                  seconds to start (`--pod-start-timeout`), and two timeouts of a request and five seconds to report.",
    remediation: "look at the pod's events",
    judge: Judge::Pod(judge),
};

fn judge(pod: &PodRun) -> Judgement {
    let report = match &pod.ended {
        Ended::Reported(report) => report,
        Ended::Failed(trouble) => {
            return Judgement::fail(format!("{}: {}", pod.name, trouble.to_text()))
                .fix(Fix::text("look at what keeps the pod from running, and run again"))
                .took(pod.milliseconds);
        }
    };
    let hosts = match report.hosts.len() {
        1 => "1 host".to_owned(),
        number => format!("{number} hosts"),
    };
    let servers: Vec<_> = report.name_servers.iter().map(ToString::to_string).collect();
    let seen = format!("{hosts}, name servers {}", servers.join(", "));
    let judgement = if report.omitted == 0 {
        Judgement::pass(seen)
    } else {
        Judgement::warn(format!("{seen}; {} hosts are missing: the log could not be read", report.omitted))
            .fix(Fix::text("allow `get pods/log`, and port 10250 of nodes to the API server"))
    };
    judgement
        .evidence(json!({ "probe": report.probe, "nameServers": report.name_servers }))
        .took(pod.milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks::testing::{failed, reported};
    use crate::preflight::pods::Phase;

    #[test]
    fn a_pod_passes_with_a_complete_report() {
        let mut short = reported("n", 2);
        let Ended::Reported(report) = &mut short.ended else { panic!() };
        report.omitted = 3;
        let cases = [
            (reported("n", 1), "Pass", "1 host, name servers 10.100.0.10"),
            (
                short,
                "Warn",
                "2 hosts, name servers 10.100.0.10; 3 hosts are missing: the log could not be read",
            ),
            (failed("n", Phase::Run, "exit code 1"), "Fail", "pod-n: Reason: exit code 1"),
        ];
        for (pod, result, seen) in cases {
            let judgement = judge(&pod);
            assert_eq!((judgement.outcome.name(), judgement.observed.as_str()), (result, seen));
        }
    }
}
