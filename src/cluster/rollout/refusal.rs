//! Pods that the API server refuses to create: who refuses them, by the words of Kubernetes' errors.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use crate::cluster::connect::Connection;
use crate::cluster::error::{Error, plain};
use crate::model::inventory::WorkloadName;

/// Why a new pod was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub by: RefusedBy,
    /// Kubernetes' message, on one line.
    pub message: String,
}

/// Who refused the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// A `ResourceQuota`: the pod is created once others have ended or the quota is raised.
    Quota,
    /// A rule on pods that does not depend on their images, or a webhook that does not respond.
    Environment,
    /// An admission policy or webhook, which may judge the image.
    Policy,
}

impl Refusal {
    pub fn new(message: &str) -> Self {
        let message = plain(message);
        // The words of client-go's event correlator and of the controllers of daemon sets and replica sets.
        let message = message
            .trim_start_matches("(combined from similar events): ")
            .trim_start_matches("Error creating: ")
            .to_owned();
        Self { by: refused_by(&message), message }
    }

    /// What the user can do, if the message does not say it.
    pub const fn advice(&self) -> &'static str {
        match self.by {
            RefusedBy::Quota => "raise the quota or free capacity in it",
            RefusedBy::Environment => "the former images would be refused as well",
            RefusedBy::Policy => "allow the new images in that policy",
        }
    }
}

/// By the messages of Kubernetes' admission plugins: `resourcequota/admission.go`, `podsecurity/admission.go`,
/// `webhook/errors/statuserror.go` and `policy/validating/dispatcher.go` in `k8s.io/apiserver` and `plugin/pkg/admission`.
fn refused_by(message: &str) -> RefusedBy {
    let contains = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if contains(&["exceeded quota", "failed quota", "insufficient quota"]) {
        RefusedBy::Quota
    } else if contains(&["denied the request", "denied request"]) {
        RefusedBy::Policy
    } else {
        RefusedBy::Environment
    }
}

/// The last refusal that the controller of a workload reported since `since` in an event: the only place where the
/// controllers of daemon sets, stateful sets and jobs report it.
///
/// # Errors
/// Listing events is forbidden, or the server cannot be reached.
pub async fn refused_since(
    connection: &Connection,
    workload: &WorkloadName,
    since: Option<Timestamp>,
) -> Result<Option<Refusal>, Error> {
    let api: Api<Event> = Api::namespaced(connection.client.clone(), &workload.namespace);
    let (kind, name) = (workload.kind.as_str(), &workload.name);
    let fields =
        format!("involvedObject.kind={kind},involvedObject.name={name},reason=FailedCreate,type=Warning");
    let parameters = ListParams::default().fields(&fields);
    let events = connection.read(|| api.list(&parameters)).await?;
    Ok(latest(events.items, since))
}

fn latest(events: Vec<Event>, since: Option<Timestamp>) -> Option<Refusal> {
    let dated = events.into_iter().filter_map(|event| {
        let series = event.series.and_then(|series| series.last_observed_time);
        let time = series.or(event.event_time).map(|time| time.0);
        Some((time.or_else(|| event.last_timestamp.map(|time| time.0))?, event.message?))
    });
    let recent = dated.filter(|(time, _)| since.is_none_or(|since| *time >= since));
    recent.max_by_key(|(time, _)| *time).map(|(_, message)| Refusal::new(&message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_message_says_who_refused_the_pod() {
        use RefusedBy::{Environment, Policy, Quota};
        let cases = [
            (
                "pods \"x\" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2",
                Quota,
            ),
            ("pods \"x\" is forbidden: failed quota: compute: must specify limits.cpu for: agent", Quota),
            (
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
                Environment,
            ),
            (
                "pods \"x\" is forbidden: error looking up service account castai-agent/x: serviceaccount \"x\" not found",
                Environment,
            ),
            (
                "pods \"x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
                Environment,
            ),
            (
                "Internal error occurred: failed calling webhook \"v.example\": connect: connection refused",
                Environment,
            ),
            (
                "admission webhook \"validation.gatekeeper.sh\" denied the request: [allowed-repos] invalid image",
                Policy,
            ),
            (
                "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'images' with binding 'all' denied request: no",
                Policy,
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(Refusal::new(message).by, expected, "{message}");
        }
    }

    #[test]
    fn only_the_latest_event_since_the_change_counts() {
        let event = |time: &str, message: &str| -> Event {
            serde_json::from_value(json!({
                "metadata": {}, "involvedObject": {}, "lastTimestamp": time, "message": message,
            }))
            .unwrap()
        };
        let events = vec![
            event("2026-01-01T00:00:01Z", "exceeded quota: before"),
            event("2026-01-01T00:00:09Z", "exceeded quota: last"),
            event("2026-01-01T00:00:05Z", "exceeded quota: first"),
        ];
        let since = |time: &str| Some(time.parse::<Timestamp>().unwrap());
        let message = |since| latest(events.clone(), since).map(|refusal| refusal.message);
        assert_eq!(message(since("2026-01-01T00:00:05Z")).as_deref(), Some("exceeded quota: last"));
        assert_eq!(message(None).as_deref(), Some("exceeded quota: last"));
        assert_eq!(message(since("2026-01-01T00:00:10Z")), None);
    }
}
