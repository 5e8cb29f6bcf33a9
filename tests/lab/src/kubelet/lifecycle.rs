//! The next step of the containers of a pod: pure decisions on their records.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};

use super::container::Output;
use super::pull::{Behaviour, Pulled};

/// Running time of a container that exits.
const RUN: Duration = Duration::from_millis(60);
/// Time from the start of a container with a readiness probe until it is ready.
const PROBE: Duration = Duration::from_millis(50);
/// Time for which a container is shown as terminated before it is shown as backing off.
const TERMINATED: Duration = Duration::from_millis(200);

/// The kubelet's delays before a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    pub pull: BackOff,
    pub crash: BackOff,
}

/// Delays that double from `first` up to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    pub first: Duration,
    pub most: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            pull: BackOff { first: Duration::from_millis(300), most: Duration::from_secs(3) },
            crash: BackOff { first: Duration::from_secs(1), most: Duration::from_secs(10) },
        }
    }
}

impl BackOff {
    /// The delay after the `failures`-th consecutive failure (from 1).
    pub(super) fn after(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

/// Why an image is missing; each is the reason of a waiting container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Pull,
    BackOff,
    NeverPull,
    InvalidName,
}

impl Missing {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Pull => "ErrImagePull",
            Self::BackOff => "ImagePullBackOff",
            Self::NeverPull => "ErrImageNeverPull",
            Self::InvalidName => "InvalidImageName",
        }
    }
}

/// A container that has exited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) id: String,
    pub(super) code: i32,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    /// Of a program that really ran.
    pub(super) output: Option<Output>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    /// The image is missing; `message` is that of the failed pull.
    NoImage {
        missing: Missing,
        message: String,
        since: Timestamp,
    },
    Running {
        id: String,
        started: Timestamp,
        ready: bool,
    },
    Exited(Exit),
    CrashLoop(Exit),
}

/// The kubelet's record of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    /// The image in the pod's spec when this record was created.
    pub(super) image: String,
    pub(super) state: State,
    pub(super) last: Option<Exit>,
    pub(super) restarts: i32,
    pub(super) pulled: Option<Pulled>,
    pub(super) pull_failures: u32,
    pub(super) crashes: u32,
}

impl Record {
    pub(super) fn new(container: &Container) -> Self {
        Self {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            state: State::Created,
            last: None,
            restarts: 0,
            pulled: None,
            pull_failures: 0,
            crashes: 0,
        }
    }

    /// The container starts; its image was pulled.
    pub(super) fn start(&mut self, id: String, pulled: Pulled, probed: bool, now: Timestamp) {
        self.keep_last();
        if self.last.is_some() {
            self.restarts += 1;
        }
        self.pull_failures = 0;
        let ready = !probed && pulled.behaviour != Behaviour::Unready;
        self.pulled = Some(pulled);
        self.state = State::Running { id, started: now, ready };
    }

    /// The pull of the image failed.
    pub(super) fn fail_pull(&mut self, missing: Missing, message: String, now: Timestamp) {
        self.keep_last();
        self.pull_failures += 1;
        self.state = State::NoImage { missing, message, since: now };
    }

    /// A running container exits.
    pub(super) fn exit(&mut self, code: i32, now: Timestamp) {
        if let State::Running { id, started, .. } = &self.state {
            let (id, started) = (id.clone(), *started);
            self.state = State::Exited(Exit { id, code, started, finished: now, output: None });
            self.crashes += 1;
        }
    }

    /// The program of the running container `wanted` exited.
    pub(super) fn finish(&mut self, wanted: &str, output: Output, now: Timestamp) {
        if matches!(&self.state, State::Running { id, .. } if id == wanted) {
            self.exit(output.code, now);
        }
        if let State::Exited(exit) = &mut self.state
            && exit.id == wanted
        {
            exit.output = Some(output);
        }
    }

    /// The pod's spec has another image: a running container is killed, a waiting one starts again.
    pub(super) fn change_image(&mut self, image: &str, now: Timestamp) {
        image.clone_into(&mut self.image);
        self.exit(143, now);
        self.keep_last();
        self.state = State::Created;
        self.pull_failures = 0;
        self.crashes = 0;
    }

    fn keep_last(&mut self) {
        if let State::Exited(exit) | State::CrashLoop(exit) = &self.state {
            self.last = Some(exit.clone());
        }
    }

    fn behaviour(&self) -> Behaviour {
        self.pulled.as_ref().map_or(Behaviour::Run, |pulled| pulled.behaviour)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

/// A step in a container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Pull the image, then start.
    Start,
    BackOff,
    Ready,
    Exit(i32),
    CrashLoop,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Container (position in [`containers`]) and its next step.
    Now(usize, Change),
    At(Timestamp),
    /// Nothing happens until the pod is changed.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    Sidecar,
    Main,
}

/// All containers in their start order, with their roles.
pub(super) fn containers(pod: &Pod) -> impl Iterator<Item = (Role, &Container)> {
    let spec = pod.spec.as_ref();
    let init = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let main = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let role = |container: &Container| {
        if container.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init }
    };
    init.iter()
        .map(move |container| (role(container), container))
        .chain(main.iter().map(|main| (Role::Main, main)))
}

/// Decides the next step of a pod whose `records` have the order of [`containers`].
pub(super) fn next(pod: &Pod, records: &[Record], delays: &Delays, now: Timestamp) -> Next {
    let mut soonest: Option<(Timestamp, usize, Change)> = None;
    for (index, (role, container)) in active(pod, records) {
        let record = &records[index];
        let due = if role == Role::Sidecar && main_containers_are_done(pod, records) {
            record.is_running().then_some((Timestamp::MIN, Change::Exit(0)))
        } else {
            due(pod, role, container, record, delays)
        };
        if let Some((at, change)) = due
            && soonest.is_none_or(|(earliest, ..)| at < earliest)
        {
            soonest = Some((at, index, change));
        }
    }
    match soonest {
        Some((at, index, change)) if at <= now => Next::Now(index, change),
        Some((at, ..)) => Next::At(at),
        None => Next::Never,
    }
}

/// The containers that may run now: init containers one after the other, then all others.
fn active<'a>(pod: &'a Pod, records: &[Record]) -> Vec<(usize, (Role, &'a Container))> {
    let mut active = Vec::new();
    for (index, (role, container)) in containers(pod).enumerate() {
        let state = &records[index].state;
        let done = matches!(state, State::Exited(exit) if exit.code == 0);
        match role {
            Role::Main => active.push((index, (role, container))),
            Role::Init if done => {}
            Role::Init => {
                active.push((index, (role, container)));
                break;
            }
            Role::Sidecar => {
                active.push((index, (role, container)));
                if !records[index].is_running() {
                    break;
                }
            }
        }
    }
    active
}

/// The next step of a container that may run now, and its time.
fn due(
    pod: &Pod,
    role: Role,
    container: &Container,
    record: &Record,
    delays: &Delays,
) -> Option<(Timestamp, Change)> {
    match &record.state {
        State::Created => Some((Timestamp::MIN, Change::Start)),
        State::NoImage { missing, since, .. } => {
            let delay = delays.pull.after(record.pull_failures);
            match missing {
                Missing::Pull => Some((*since + delay / 3, Change::BackOff)),
                Missing::BackOff | Missing::NeverPull => Some((*since + delay, Change::Start)),
                Missing::InvalidName => None,
            }
        }
        State::Running { started, ready, .. } => {
            if let Some(code) = exit_code(pod, role, record.behaviour()) {
                return Some((*started + RUN, Change::Exit(code)));
            }
            let waits = !ready && container.readiness_probe.is_some();
            (waits && record.behaviour() != Behaviour::Unready).then_some((*started + PROBE, Change::Ready))
        }
        State::Exited(exit) if !restarts(pod, role, exit.code) => None,
        State::Exited(exit) if record.crashes <= 1 => Some((exit.finished, Change::Start)),
        State::Exited(exit) => Some((exit.finished + TERMINATED, Change::CrashLoop)),
        State::CrashLoop(exit) => {
            Some((exit.finished + delays.crash.after(record.crashes - 1), Change::Start))
        }
    }
}

/// The code with which a container exits, if it does.
fn exit_code(pod: &Pod, role: Role, behaviour: Behaviour) -> Option<i32> {
    match behaviour {
        Behaviour::Crash => Some(1),
        Behaviour::Exit => Some(0),
        Behaviour::Program => None,
        Behaviour::Run | Behaviour::Unready => {
            (role == Role::Init || role == Role::Main && restart_policy(pod) != "Always").then_some(0)
        }
    }
}

/// Whether a container that exited with `code` is started again.
pub(super) fn restarts(pod: &Pod, role: Role, code: i32) -> bool {
    match (role, restart_policy(pod)) {
        (Role::Sidecar, _) | (Role::Main, "Always") => true,
        (Role::Main | Role::Init, "Never") => false,
        (Role::Main | Role::Init, _) => code != 0,
    }
}

fn main_containers_are_done(pod: &Pod, records: &[Record]) -> bool {
    containers(pod).zip(records).filter(|((role, _), _)| *role == Role::Main).all(
        |((role, _), record)| matches!(&record.state, State::Exited(exit) if !restarts(pod, role, exit.code)),
    )
}

fn restart_policy(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
