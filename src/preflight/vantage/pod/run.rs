//! Runs the probe in pods, and removes what it created, whatever happens.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use probe::pod::{self, PodRequest};

use super::labels::{self, Chosen};
use super::manifest::{Run, own_labels, selector_of};
use super::plan::{ImageSource, NotPossible, PodPlan, plan};
use super::status::REPORT_BYTES;
use super::tracker::{Conclusion, Limits, Tracker};
use super::{image, neighbours};
use crate::cluster::pod_selectors::{TemplateIdentity, template_identity};
use crate::cluster::probe_pods::{
    Created, CreatedKind, Permission, create_config_map, create_pods, denied, pod_log, pod_warnings,
    watch_pods,
};
use crate::cluster::{self, Connection, ErrorKind, pending_removal};
use crate::event::Observer;
use crate::preflight::fixes;
use crate::preflight::judgement::Fix;
use crate::preflight::pods::{Creation, Ended, InCluster, PodFacts, PodRun};
use crate::preflight::settings::{Inputs, PodInputs, Settings};
use crate::preflight::subject::PodLocation;

/// Without these, no pod is created.
const PERMISSIONS: [Permission; 5] = [
    Permission::new("create", "configmaps"),
    Permission::new("delete", "configmaps"),
    Permission::new("create", "pods"),
    Permission::new("watch", "pods"),
    Permission::new("delete", "pods"),
];

/// How often events are listed while some pod has not started.
const EVENTS: Duration = Duration::from_secs(2);
/// How often times are compared.
const TICK: Duration = Duration::from_millis(200);
/// How long removing may take at the end of a run.
const REMOVAL: Duration = Duration::from_secs(10);
/// Timeout of reading a log.
const LOG: Duration = Duration::from_secs(5);
/// Logs that are read concurrently.
const LOGS: usize = 8;
/// The kubelet may take this long to report a status.
const STATUS: Duration = Duration::from_secs(5);
/// The kubelet ends pods a little later than we would, so that our reason is reported.
const SPARE: Duration = Duration::from_secs(30);

/// Runs the probe for `request` in pods, if that is wanted.
pub async fn gather(
    inputs: &Inputs,
    settings: &Settings,
    request: &probe::Request,
    observer: Observer<'_>,
) -> PodFacts {
    let not_created = |creation| PodFacts { creation, ..PodFacts::off() };
    if settings.pods.mode == InCluster::Off {
        return PodFacts::off();
    }
    if let Some((why, fix)) = inputs.pods.as_ref().and_then(|pods| pods.not_confirmed.as_ref()) {
        return not_created(Creation::NotConfirmed { why: why.clone(), fix: fix.clone() });
    }
    let not_possible =
        |error: NotPossible| not_created(Creation::NotPossible { why: error.why, fix: error.fix });
    let (plan, pods) = match (plan(inputs, &settings.pods), &inputs.pods) {
        (Ok(plan), Some(pods)) => (plan, pods),
        (Err(error), _) => return not_possible(error),
        (Ok(_), None) => return PodFacts::off(),
    };
    let left_out = plan.placement.left_out.clone();
    let facts = match prepare(&plan, pods, settings, request, observer).await {
        Ok((run, chosen)) => {
            let facts = Box::pin(run_pods(&pods.connection, &run, &plan, settings)).await;
            PodFacts { notes: notes(&chosen), ..facts }
        }
        Err(error) => not_possible(error),
    };
    PodFacts { namespace: plan.namespace, left_out, ..facts }
}

fn notes(chosen: &Chosen) -> Vec<String> {
    let not_covered = chosen.not_covered.iter().map(|why| format!("does not apply to the probe: {why}"));
    let anyway = chosen.selected_anyway.iter().map(|object| format!("also selects the probe: {object}"));
    not_covered.chain(anyway).collect()
}

/// Everything before the first object is created: permissions, identity, labels and image.
async fn prepare(
    plan: &PodPlan,
    pods: &PodInputs,
    settings: &Settings,
    request: &probe::Request,
    observer: Observer<'_>,
) -> Result<(Run, Chosen), NotPossible> {
    let (connection, namespace) = (&pods.connection, plan.namespace.as_str());
    let cannot = |why: String, fix| NotPossible { why, fix };
    let (denied, identity, selectors) = tokio::join!(
        denied(connection, namespace, &PERMISSIONS),
        identity(connection, plan),
        neighbours::read(connection, namespace),
    );
    let denied = denied.map_err(|error| cannot(error.to_string(), None))?;
    if !denied.is_empty() {
        let missing: Vec<_> = denied.into_iter().map(Permission::to_text).collect();
        let why = format!("requires {} in namespace {namespace}", missing.join(", "));
        return Err(cannot(why, Some(fixes::grant_pods())));
    }
    let identity = identity.map_err(|error| cannot(error.to_string(), None))?;
    if let ImageSource::Pushed { image, mirror } = &plan.image {
        Box::pin(image::push(image, mirror, &pods.network, observer)).await.map_err(|error| {
            let repository = image::repository(mirror);
            cannot(
                format!("cannot push the probe image to {repository}: {error}"),
                Some(fixes::allow_pushing()),
            )
        })?;
    }
    let id = format!("{:08x}", rand::random::<u32>());
    let chosen = labels::choose(&identity.labels, &own_labels(&id), &selectors);
    let deadline = settings.pods.start_timeout + limits(settings).run + SPARE;
    let document = serde_json::to_string(&PodRequest::new(request));
    let run = Run {
        id,
        namespace: namespace.to_owned(),
        service_account: identity.service_account,
        pull_secrets: identity.pull_secrets,
        labels: chosen.labels.clone(),
        image: plan.image.reference(),
        request: document.map_err(|error| cannot(error.to_string(), None))?,
        ca: settings.pods.ca.clone(),
        deadline_seconds: i64::try_from(deadline.as_secs()).unwrap_or(i64::MAX),
    };
    Ok((run, chosen))
}

/// Without the permission to read the component, its service account is known from its list.
async fn identity(connection: &Connection, plan: &PodPlan) -> Result<TemplateIdentity, cluster::Error> {
    let Some(component) = &plan.component else { return Ok(TemplateIdentity::default()) };
    match template_identity(connection, component).await {
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            let service_account = plan.service_account.clone();
            Ok(TemplateIdentity { service_account, ..TemplateIdentity::default() })
        }
        read => read,
    }
}

/// A pod may start for the documented time and run for two timeouts: of what it gathers about a host, usually only the last
/// step waits for a timeout, after name servers that answered.
fn limits(settings: &Settings) -> Limits {
    Limits { start: settings.pods.start_timeout, run: settings.timeout * 2 + STATUS }
}

/// Creates the objects, waits for the reports, and removes the objects.
async fn run_pods(connection: &Connection, run: &Run, plan: &PodPlan, settings: &Settings) -> PodFacts {
    let start = Instant::now();
    let locations: Vec<Arc<PodLocation>> = plan.placement.pods.iter().cloned().map(Arc::new).collect();
    let created = |kind, name| Created { namespace: run.namespace.clone(), kind, name };
    let objects = (0..locations.len()).map(|number| created(CreatedKind::Pod, run.pod_name(number)));
    let config_map = created(CreatedKind::ConfigMap, run.config_map_name());
    pending_removal::remember(connection, std::iter::once(config_map).chain(objects).collect());

    let mut facts = PodFacts::off();
    match create_config_map(connection, &run.namespace, &run.config_map()).await {
        Err(error) => {
            let fix = (error.kind() == ErrorKind::NotFound).then(|| {
                Fix::command(
                    "create the namespace, or name another one with -n",
                    format!("kubectl create namespace {}", run.namespace),
                )
            });
            facts.creation = Creation::NotPossible { why: error.to_string(), fix };
        }
        Ok(uid) => {
            let pods: Vec<_> =
                locations.iter().enumerate().map(|(number, at)| run.pod(number, at, &uid)).collect();
            let results = create_pods(connection, &run.namespace, &pods).await;
            let (mut refused, mut running) = (Vec::new(), Vec::new());
            for (number, (location, result)) in locations.into_iter().zip(results).enumerate() {
                match result {
                    Ok(()) => running.push((run.pod_name(number), location)),
                    Err(error) => refused.push((location, error.to_string())),
                }
            }
            facts.creation = Creation::Requested { refused };
            facts.runs = Box::pin(follow(connection, run, running, limits(settings), start)).await;
        }
    }
    if let Some(pending_removal::Removal::Failed(why)) = pending_removal::remove(REMOVAL).await {
        facts.not_removed = Some(why);
    }
    facts
}

/// Waits until all pods have ended.
async fn follow(
    connection: &Connection,
    run: &Run,
    pods: Vec<(String, Arc<PodLocation>)>,
    limits: Limits,
    start: Instant,
) -> Vec<PodRun> {
    if pods.is_empty() {
        return Vec::new();
    }
    let tracker = Mutex::new(Tracker::new(limits, pods.iter().map(|(name, _)| name.clone())));
    let locked = || tracker.lock().unwrap_or_else(PoisonError::into_inner);
    let selector = selector_of(&run.id);
    let watching = watch_pods(connection, &run.namespace, &selector, |pod| {
        if locked().observe(&pod, start.elapsed()) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let reading_events = async {
        loop {
            tokio::time::sleep(EVENTS).await;
            if !locked().is_waiting() {
                continue;
            }
            // Without the permission, the status of a pod has to do.
            for event in pod_warnings(connection, &run.namespace).await.unwrap_or_default() {
                if locked().observe_event(&event, start.elapsed()) {
                    return;
                }
            }
        }
    };
    let expiring = async {
        while !locked().expire(start.elapsed()) {
            tokio::time::sleep(TICK).await;
        }
    };
    let why = tokio::select! {
        watched = watching => watched.err().map(|error| error.to_string()).unwrap_or_default(),
        () = reading_events => String::new(),
        () = expiring => String::new(),
    };
    let tracker = tracker.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut concluded = tracker.conclude(start.elapsed(), &why);
    let ended = pods.into_iter().filter_map(|(name, location)| {
        let (at, conclusion) = concluded.remove(&name)?;
        Some(async move {
            let ended = match conclusion {
                Conclusion::Ended(ended) => ended,
                Conclusion::ReadLog(short) => read_log(connection, run, &name, short).await,
            };
            let milliseconds = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
            PodRun { location, name, image: run.image.clone(), ended, milliseconds }
        })
    });
    stream::iter(ended).buffered(LOGS).collect().await
}

/// The whole report from the log, or else what the termination message had.
async fn read_log(
    connection: &Connection,
    run: &Run,
    pod: &str,
    short: Result<pod::PodReport, crate::preflight::pods::Trouble>,
) -> Ended {
    let limit = i64::try_from(REPORT_BYTES).unwrap_or(i64::MAX);
    let log = tokio::time::timeout(LOG, pod_log(connection, &run.namespace, pod, limit)).await;
    if let Ok(Ok(log)) = log
        && let Ok(report) = pod::decode_log(&log)
    {
        return Ended::Reported(report);
    }
    match short {
        Ok(report) => Ended::Reported(report),
        Err(trouble) => Ended::Failed(trouble),
    }
}
