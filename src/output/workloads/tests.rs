use super::*;

fn report(namespace: &str, name: &str, outcome: Outcome) -> WorkloadReport {
    let workload = WorkloadName {
        cluster: "c".to_owned(),
        namespace: namespace.to_owned(),
        kind: WorkloadKind::Deployment,
        name: name.to_owned(),
    };
    WorkloadReport::new(workload, Vec::new(), outcome)
}

#[test]
fn workloads_with_one_cause_are_named_before_it() {
    let held = |namespace: &str, name: &str| {
        let why = "remove it first: kubectl delete x".to_owned();
        report(namespace, name, Outcome::HeldBack(HeldBack::Other(why)))
    };
    let cases = [
        (
            vec![held("castai-agent", "a")],
            "error: deployment.apps/a in namespace castai-agent not updated: remove it first: kubectl delete x",
        ),
        (
            vec![held("castai-agent", "a"), held("castai-agent", "b")],
            "error: 2 workloads in namespace castai-agent not updated (deployment.apps/a, deployment.apps/b): remove it \
             first: kubectl delete x",
        ),
        (
            vec![held("castai-agent", "a"), held("castai-logs", "b")],
            "error: 2 workloads in namespaces castai-agent, castai-logs not updated (deployment.apps/a, \
             deployment.apps/b): remove it first: kubectl delete x",
        ),
    ];
    for (workloads, expected) in cases {
        assert_eq!(held_back(&workloads), [expected]);
    }
}

const FORBIDDEN: &str = "Error from server (Forbidden): deployments.apps";

#[test]
fn changes_that_a_user_may_not_make_are_one_error_with_a_hint() {
    let denied = |name: &str| {
        let why =
            format!("{FORBIDDEN} {name:?} is forbidden: User \"u\" cannot patch resource \"deployments\"");
        report("castai-agent", name, Outcome::Failed(why))
    };
    let failed = || report("castai-agent", "f", Outcome::Failed("timed out".to_owned()));
    // Admission denies for other reasons, which roles do not change.
    let why = format!("{FORBIDDEN} \"g\" is forbidden: violates PodSecurity");
    let refused = report("castai-agent", "g", Outcome::Failed(why));
    assert_eq!(forbidden(&[refused]), Vec::<String>::new());
    let hint =
        "hint: an administrator applies the role that `kubectl castai-privatelink permissions rbac` prints";
    assert_eq!(forbidden(&[failed()]), Vec::<String>::new());
    assert_eq!(
        forbidden(&[denied("a"), failed(), denied("b")]),
        [
            "error: 2 workloads in namespace castai-agent not updated (deployment.apps/a, deployment.apps/b): Error from \
             server (Forbidden): deployments.apps \"a\" is forbidden: User \"u\" cannot patch resource \"deployments\"",
            hint,
        ]
    );
    assert_eq!(
        forbidden(&[denied("a")])[0],
        "error: deployment.apps/a in namespace castai-agent: Error from server (Forbidden): deployments.apps \"a\" is \
         forbidden: User \"u\" cannot patch resource \"deployments\""
    );
}
