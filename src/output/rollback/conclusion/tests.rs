use super::*;
use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::model::cluster_plan::Change;
use crate::model::image_field::ImageField;
use crate::model::inventory::{WorkloadKind, WorkloadName};

fn workload(outcome: Outcome) -> WorkloadReport {
    let change = Change {
        image_field: ImageField::of_container("a"),
        from: Some("e.example/ghcr.io/castai/x:v1".to_owned()),
        to: Some("ghcr.io/castai/x:v1".to_owned()),
    };
    WorkloadReport {
        not_ready: false,
        workload: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "w".to_owned(),
        },
        changes: vec![change],
        relinquished: Vec::new(),
        outcome,
        problems: Vec::new(),
        notes: Vec::new(),
        owners: Vec::new(),
        ownership: None,
    }
}

fn report(workloads: Vec<WorkloadReport>) -> RollbackReport {
    RollbackReport { workloads, ..RollbackReport::new(Vec::new(), Vec::new(), Vec::new()) }
}

#[test]
fn the_last_line_says_what_happened() {
    let why = || "pod p: ImagePullBackOff".to_owned();
    let one = |outcome| report(vec![workload(outcome)]);
    let unlisted = |outcome| RollbackReport { unlisted: vec!["pods".to_owned()], ..one(outcome) };
    let recordless = WorkloadReport { changes: Vec::new(), ..workload(Outcome::Updated) };
    let rolled_back = "1 workload rolled back to the original images";
    let planned = "1 workload to roll back to the original images";
    let again = "fix the errors above and run again to continue";
    let cases = [
        (one(Outcome::Updated), true, Some(format!("done: {rolled_back}"))),
        (one(Outcome::Updated), false, Some(format!("done: {rolled_back}; rollouts were not watched"))),
        (one(Outcome::DryRunOk), true, Some(format!("dry run: {planned}"))),
        (one(Outcome::Planned), false, Some(format!("dry run: {planned}"))),
        (
            report(vec![workload(Outcome::DryRunOk), workload(Outcome::Failed(why()))]),
            true,
            Some(format!("dry run: 1 workload failed; {planned}")),
        ),
        (report(Vec::new()), true, None),
        (
            report(vec![recordless]),
            true,
            Some("done: 1 workload with an outdated record or field ownership removed".to_owned()),
        ),
        (one(Outcome::Failed(why())), true, Some(format!("incomplete: 1 workload failed; {again}"))),
        (
            report(vec![
                workload(Outcome::Restored(why())),
                workload(Outcome::Updated),
                workload(Outcome::NotStarted),
                workload(Outcome::NotStarted),
            ]),
            true,
            Some(format!(
                "incomplete: 1 workload kept private; 2 workloads not changed; {rolled_back}; {again}"
            )),
        ),
        (unlisted(Outcome::Updated), true, Some(rolled_back.to_owned())),
    ];
    for (report, wait, expected) in cases {
        assert_eq!(conclusion(&report, wait), expected, "{report:?}");
    }
}

#[test]
fn nothing_to_do_is_said_only_if_nothing_is_wrong() {
    let nothing = report(Vec::new());
    assert_eq!(nothing_to_do(&nothing), "nothing to do: no images were replaced by sync-images\n");
    let not_recorded = vec!["deployment.apps/w".to_owned()];
    let text = nothing_to_do(&RollbackReport { not_recorded, ..nothing.clone() });
    assert_eq!(text, "nothing to do: no images of deployment.apps/w were replaced by sync-images\n");
    let not_found = vec!["deployment.apps/w".to_owned()];
    assert_eq!(nothing_to_do(&RollbackReport { not_found, ..nothing.clone() }), "");
    assert_eq!(nothing_to_do(&RollbackReport { unlisted: vec!["pods".to_owned()], ..nothing }), "");
}

#[test]
fn only_failed_pulls_are_about_registries() {
    let problem = |kind| PodProblem {
        pod: "p".to_owned(),
        container: Some("a".to_owned()),
        kind,
        reason: "ImagePullBackOff".to_owned(),
        message: "i/o timeout".to_owned(),
        log: Vec::new(),
    };
    let failed = |outcome, kind| WorkloadReport { problems: vec![problem(kind)], ..workload(outcome) };
    let restored = || Outcome::Restored("why".to_owned());
    let hint = public_pull_hint(&[failed(restored(), ProblemKind::Image)]).unwrap();
    assert!(hint.starts_with("hint: nodes cannot pull from ghcr.io: "), "{hint}");
    for workload in [
        failed(restored(), ProblemKind::Crash),
        failed(Outcome::Updated, ProblemKind::Image),
        workload(Outcome::NotStarted),
    ] {
        assert_eq!(public_pull_hint(&[workload]), None);
    }
}
