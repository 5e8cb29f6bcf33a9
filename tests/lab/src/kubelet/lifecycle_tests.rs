use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn pulled(behaviour: Behaviour) -> Pulled {
    Pulled { name: "r/i:1".into(), id: "r/i@sha256:1".into(), size: 1, behaviour, program: None }
}

/// A pod with the init container `init`, the sidecar `side` and the container `main`.
fn pod(restart_policy: &str) -> Pod {
    serde_json::from_value(json!({"spec": {
        "restartPolicy": restart_policy,
        "initContainers": [
            {"name": "init", "image": "i"},
            {"name": "side", "image": "i", "restartPolicy": "Always"},
        ],
        "containers": [{"name": "main", "image": "i"}],
    }}))
    .unwrap()
}

fn single(container: &Value, restart_policy: &str) -> (Pod, Record) {
    let pod: Pod =
        serde_json::from_value(json!({"spec": {"restartPolicy": restart_policy, "containers": [container]}}))
            .unwrap();
    let record = Record::new(containers(&pod).next().unwrap().1);
    (pod, record)
}

fn step(pod: &Pod, record: &Record, at: Timestamp) -> Next {
    next(pod, std::slice::from_ref(record), &Delays::default(), at)
}

#[test]
fn containers_start_in_order() {
    let pod = pod("Always");
    let mut records: Vec<Record> = containers(&pod).map(|(_, container)| Record::new(container)).collect();
    let decide = |records: &[Record], at| next(&pod, records, &Delays::default(), at);

    assert_eq!(decide(&records, NOW), Next::Now(0, Change::Start));
    records[0].start("a".into(), pulled(Behaviour::Run), false, NOW);
    assert_eq!(decide(&records, NOW), Next::At(NOW + RUN));
    assert_eq!(decide(&records, NOW + RUN), Next::Now(0, Change::Exit(0)));
    records[0].exit(0, NOW);
    assert_eq!(decide(&records, NOW), Next::Now(1, Change::Start));
    records[1].start("b".into(), pulled(Behaviour::Run), false, NOW);
    assert_eq!(decide(&records, NOW), Next::Now(2, Change::Start));
    records[2].start("c".into(), pulled(Behaviour::Run), false, NOW);
    assert_eq!(decide(&records, NOW + RUN), Next::Never);
}

#[test]
fn a_sidecar_ends_with_the_job() {
    let pod = pod("Never");
    let mut records: Vec<Record> = containers(&pod).map(|(_, container)| Record::new(container)).collect();
    for record in &mut records {
        record.start("a".into(), pulled(Behaviour::Run), false, NOW);
    }
    records[0].exit(0, NOW);
    records[2].exit(0, NOW);
    assert_eq!(next(&pod, &records, &Delays::default(), NOW), Next::Now(1, Change::Exit(0)));
    records[1].exit(0, NOW);
    assert_eq!(next(&pod, &records, &Delays::default(), NOW), Next::Never);
}

#[test]
fn a_failed_pull_is_retried_with_backoff() {
    let (pod, mut record) = single(&json!({"name": "main", "image": "i"}), "Always");
    let delays = Delays::default().pull;
    for failures in 1..5 {
        record.fail_pull(Missing::Pull, "no".into(), NOW);
        assert_eq!(record.pull_failures, failures);
        assert_eq!(step(&pod, &record, NOW + delays.after(failures) / 3), Next::Now(0, Change::BackOff));
        record.state = State::NoImage { missing: Missing::BackOff, message: "no".into(), since: NOW };
        assert_eq!(step(&pod, &record, NOW), Next::At(NOW + delays.after(failures)));
        assert_eq!(step(&pod, &record, NOW + delays.after(failures)), Next::Now(0, Change::Start));
    }
    record.fail_pull(Missing::InvalidName, "no".into(), NOW);
    assert_eq!(step(&pod, &record, Timestamp::MAX), Next::Never);
}

#[test]
fn delays_double_up_to_a_limit() {
    let back_off = Delays::default().pull;
    let expected = [300, 600, 1200, 2400, 3000, 3000];
    for (failures, milliseconds) in (1..).zip(expected) {
        assert_eq!(back_off.after(failures), Duration::from_millis(milliseconds));
    }
    assert_eq!(back_off.after(u32::MAX), back_off.most);
}

#[test]
fn a_crash_restarts_immediately_once_and_then_with_backoff() {
    let (pod, mut record) = single(&json!({"name": "main", "image": "i"}), "Always");
    record.start("a".into(), pulled(Behaviour::Crash), false, NOW);
    assert_eq!(step(&pod, &record, NOW + RUN), Next::Now(0, Change::Exit(1)));
    record.exit(1, NOW);
    assert_eq!(step(&pod, &record, NOW), Next::Now(0, Change::Start));
    record.start("b".into(), pulled(Behaviour::Crash), false, NOW);
    assert_eq!(record.restarts, 1);
    record.exit(1, NOW);
    assert_eq!(step(&pod, &record, NOW), Next::At(NOW + TERMINATED));
    let State::Exited(exit) = record.state.clone() else { panic!("{record:?}") };
    record.state = State::CrashLoop(exit);
    assert_eq!(step(&pod, &record, NOW), Next::At(NOW + Delays::default().crash.after(1)));
    record.start("c".into(), pulled(Behaviour::Crash), false, NOW);
    assert_eq!((record.restarts, record.last.map(|exit| exit.id)), (2, Some("b".to_owned())));
}

#[test]
fn restart_policies() {
    for (policy, behaviour, code, restarted) in [
        ("Always", Behaviour::Exit, 0, true),
        ("OnFailure", Behaviour::Run, 0, false),
        ("OnFailure", Behaviour::Crash, 1, true),
        ("Never", Behaviour::Run, 0, false),
        ("Never", Behaviour::Crash, 1, false),
    ] {
        let (pod, mut record) = single(&json!({"name": "main", "image": "i"}), policy);
        record.start("a".into(), pulled(behaviour), false, NOW);
        assert_eq!(
            step(&pod, &record, NOW + RUN),
            Next::Now(0, Change::Exit(code)),
            "{policy} {behaviour:?}"
        );
        record.exit(code, NOW);
        let expected = if restarted { Next::Now(0, Change::Start) } else { Next::Never };
        assert_eq!(step(&pod, &record, NOW), expected, "{policy} {behaviour:?}");
    }
}

#[test]
fn readiness() {
    let probe = json!({"name": "main", "image": "i", "readinessProbe": {"httpGet": {"port": 80}}});
    for (container, behaviour, expected) in [
        (json!({"name": "main", "image": "i"}), Behaviour::Run, (true, Next::Never)),
        (json!({"name": "main", "image": "i"}), Behaviour::Unready, (false, Next::Never)),
        (probe.clone(), Behaviour::Unready, (false, Next::Never)),
        (probe, Behaviour::Run, (false, Next::At(NOW + PROBE))),
    ] {
        let (pod, mut record) = single(&container, "Always");
        let probed = pod.spec.as_ref().unwrap().containers[0].readiness_probe.is_some();
        record.start("a".into(), pulled(behaviour), probed, NOW);
        let State::Running { ready, .. } = record.state else { panic!("{record:?}") };
        assert_eq!((ready, step(&pod, &record, NOW)), expected, "{behaviour:?}");
    }
}

#[test]
fn a_changed_image_restarts_the_container() {
    let (pod, mut record) = single(&json!({"name": "main", "image": "j"}), "Always");
    record.start("a".into(), pulled(Behaviour::Run), false, NOW);
    record.change_image("j", NOW);
    assert_eq!(record.last.as_ref().map(|exit| exit.code), Some(143));
    assert_eq!(step(&pod, &record, NOW), Next::Now(0, Change::Start));
    record.start("b".into(), pulled(Behaviour::Run), false, NOW);
    assert_eq!(record.restarts, 1);

    let (pod, mut record) = single(&json!({"name": "main", "image": "j"}), "Always");
    record.fail_pull(Missing::Pull, "no".into(), NOW);
    record.change_image("j", NOW);
    assert_eq!(step(&pod, &record, NOW), Next::Now(0, Change::Start));
    record.start("b".into(), pulled(Behaviour::Run), false, NOW);
    assert_eq!((record.restarts, record.last), (0, None));
}
