use super::*;
use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::model::cluster_plan::Change;
use crate::model::image_field::ImageField;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::record::Record;
use crate::sync::rollback::SkippedImage;
use crate::sync::rollout::NOT_AWAITED;

fn workload(outcome: Outcome) -> WorkloadReport {
    let change = Change {
        image_field: ImageField::of_container("a"),
        from: Some("e.example/ghcr.io/castai/x:v1".to_owned()),
        to: Some("ghcr.io/castai/x:v1".to_owned()),
    };
    let name = WorkloadName {
        cluster: "c".to_owned(),
        namespace: "castai-agent".to_owned(),
        kind: WorkloadKind::Deployment,
        name: "w".to_owned(),
    };
    WorkloadReport::new(name, vec![change], outcome)
}

fn report(workloads: Vec<WorkloadReport>) -> RollbackReport {
    RollbackReport { workloads, ..RollbackReport::new(Vec::new(), Vec::new(), Vec::new()) }
}

#[test]
fn the_last_line_says_what_happened() {
    let why = || "pod p: ImagePullBackOff".to_owned();
    let one = |outcome| report(vec![workload(outcome)]);
    let unlisted = |outcome| RollbackReport { unlisted: vec!["pods".to_owned()], ..one(outcome) };
    let unwatched = WorkloadReport { notes: vec![NOT_AWAITED.to_owned()], ..workload(Outcome::Updated) };
    let recordless = WorkloadReport { changes: Vec::new(), ..workload(Outcome::Updated) };
    let rolled_back = "1 workload rolled back to the original images";
    let planned = "1 workload to roll back to the original images";
    let again = "fix the errors above and run again to continue";
    let cases = [
        (one(Outcome::Updated), Some(format!("done: {rolled_back}"))),
        (report(vec![unwatched]), Some(format!("done: {rolled_back}; rollouts were not watched"))),
        (one(Outcome::DryRunOk), Some(format!("dry run: {planned}"))),
        (one(Outcome::Planned), Some(format!("dry run: {planned}"))),
        (
            report(vec![workload(Outcome::DryRunOk), workload(Outcome::Failed(why()))]),
            Some(format!("dry run: 1 workload failed; {planned}")),
        ),
        (report(Vec::new()), None),
        (
            report(vec![recordless]),
            Some("done: 1 workload with an outdated record or field ownership removed".to_owned()),
        ),
        (one(Outcome::Failed(why())), Some(format!("incomplete: 1 workload failed; {again}"))),
        (
            report(vec![
                workload(Outcome::Restored(why())),
                workload(Outcome::Updated),
                workload(Outcome::NotStarted),
                workload(Outcome::NotStarted),
            ]),
            Some(format!(
                "incomplete: 1 workload kept private; 2 workloads not changed; {rolled_back}; {again}"
            )),
        ),
        (unlisted(Outcome::Updated), Some(rolled_back.to_owned())),
    ];
    for (report, expected) in cases {
        assert_eq!(conclusion(&report), expected, "{report:?}");
    }
}

#[test]
fn a_workload_of_which_an_image_stays_is_rolled_back_in_part() {
    let skipped = |public: bool| SkippedImage {
        workload: workload(Outcome::Updated).workload,
        image_field: ImageField::of_container("b"),
        recorded: Record { from: None, to: "e.example/ghcr.io/castai/y:v1".to_owned() },
        current: "e.example/ghcr.io/castai/y:v2".to_owned(),
        public: public.then(|| "ghcr.io/castai/y:v2".parse().unwrap()),
    };
    let cases = [
        (Outcome::DryRunOk, false, "dry run: 1 workload to roll back in part; 1 image skipped"),
        (Outcome::Updated, false, "done: 1 workload rolled back in part; 1 image skipped"),
        (
            Outcome::Updated,
            true,
            "incomplete: 1 workload rolled back in part; 1 image skipped, upgraded since; set it as the error above \
             says",
        ),
    ];
    for (outcome, public, expected) in cases {
        let report = RollbackReport { skipped: vec![skipped(public)], ..report(vec![workload(outcome)]) };
        assert_eq!(conclusion(&report).as_deref(), Some(expected), "{report:?}");
    }
    let alone = RollbackReport { skipped: vec![skipped(true)], ..report(Vec::new()) };
    let expected = "incomplete: 1 image skipped, upgraded since; set it as the error above says";
    assert_eq!(conclusion(&alone).as_deref(), Some(expected));
}

#[test]
fn nothing_to_do_is_said_only_if_nothing_is_wrong() {
    let nothing = report(Vec::new());
    let text = |report| nothing_to_do(&report).unwrap_or_default();
    assert_eq!(text(nothing.clone()), "nothing to do: no images were replaced by sync-images");
    let not_recorded = vec!["deployment.apps/w".to_owned()];
    let expected = "nothing to do: no images of deployment.apps/w were replaced by sync-images";
    assert_eq!(text(RollbackReport { not_recorded, ..nothing.clone() }), expected);
    let not_found = vec!["deployment.apps/w".to_owned()];
    assert_eq!(text(RollbackReport { not_found, ..nothing.clone() }), "");
    assert_eq!(text(RollbackReport { unlisted: vec!["pods".to_owned()], ..nothing }), "");
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
