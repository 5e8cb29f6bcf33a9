//! The kubelet's own HTTPS server, as far as `kubectl logs` needs it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;

use super::lifecycle::{self, Exit, Missing, Record};
use super::pull::Behaviour;
use super::{Shared, lock};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/containerLogs/{namespace}/{pod}/{container}", get(logs))
        .with_state(shared)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    tail_lines: Option<usize>,
    limit_bytes: Option<usize>,
    #[serde(default)]
    previous: bool,
    #[serde(default)]
    timestamps: bool,
}

async fn logs(
    State(shared): State<Arc<Shared>>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    let records =
        lock(&shared.pods).get(&(namespace.clone(), pod.clone())).map(|handle| handle.records.clone());
    let Some(records) = records else {
        return (StatusCode::NOT_FOUND, format!("pod \"{pod}\" not found")).into_response();
    };
    let records = lock(&records);
    let Some(record) = records.iter().find(|record| record.name == container) else {
        let text = format!("container \"{container}\" not found in pod \"{pod}_{namespace}\"");
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let (started, ended) = match run(record, &pod, options.previous) {
        Ok(run) => run,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let mut log = match ended.and_then(|exit| Some((exit.finished, exit.output.as_ref()?))) {
        Some((finished, output)) => printed(&output.log, finished, &options),
        None => text(&lines(record, started, ended.map(|exit| exit.finished)), &options),
    };
    if let Some(limit) = options.limit_bytes {
        log.truncate(log.floor_char_boundary(limit));
    }
    log.into_response()
}

/// Start and exit of the requested run; else why there is no log.
fn run<'a>(record: &'a Record, pod: &str, previous: bool) -> Result<(Timestamp, Option<&'a Exit>), String> {
    let name = &record.name;
    let ended = |exit: &'a Exit| Ok((exit.started, Some(exit)));
    let waiting =
        |why: &str| Err(format!("container \"{name}\" in pod \"{pod}\" is waiting to start: {why}"));
    match (&record.state, &record.last) {
        (lifecycle::State::CrashLoop(exit), _) => ended(exit),
        (_, Some(exit)) if previous => ended(exit),
        _ if previous => Err(format!("previous terminated container \"{name}\" in pod \"{pod}\" not found")),
        (lifecycle::State::Running { started, .. }, _) => Ok((*started, None)),
        (lifecycle::State::Exited(exit), _) | (_, Some(exit)) => ended(exit),
        (lifecycle::State::NoImage { missing: Missing::Pull, .. }, _) => waiting("image can't be pulled"),
        (lifecycle::State::NoImage { missing: Missing::BackOff, .. }, _) => {
            waiting("trying and failing to pull image")
        }
        (lifecycle::State::NoImage { missing, .. }, _) => waiting(missing.reason()),
        (lifecycle::State::Created, None) => waiting("ContainerCreating"),
    }
}

/// The output of a program that ran.
fn printed(log: &str, finished: Timestamp, options: &Options) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let first = options.tail_lines.map_or(0, |wanted| lines.len().saturating_sub(wanted));
    let line = |line: &&str| {
        if options.timestamps { format!("{finished:.9} {line}\n") } else { format!("{line}\n") }
    };
    lines[first..].iter().map(line).collect()
}

fn lines(record: &Record, started: Timestamp, finished: Option<Timestamp>) -> Vec<(Timestamp, String)> {
    let mut lines =
        vec![(started, format!("level=info msg=\"starting {}\" image={}", record.name, record.image))];
    let behaviour = record.pulled.as_ref().map_or(Behaviour::Run, |pulled| pulled.behaviour);
    lines.extend(finished.map(|finished| {
        let line = if behaviour == Behaviour::Crash {
            "level=fatal msg=\"cannot reach https://api.cast.ai: context deadline exceeded\""
        } else {
            "level=info msg=\"done\""
        };
        (finished, line.to_owned())
    }));
    lines
}

fn text(lines: &[(Timestamp, String)], options: &Options) -> String {
    let first = options.tail_lines.map_or(0, |wanted| lines.len().saturating_sub(wanted));
    lines[first..]
        .iter()
        .map(|(time, line)| {
            if options.timestamps {
                format!("{time:.9} {line}\n")
            } else {
                format!("time=\"{time:.0}\" {line}\n")
            }
        })
        .collect()
}
