//! Waits for EC2: until it lists what it confirmed, and until endpoints have reached a state that lasts.

use std::collections::BTreeSet;
use std::time::Instant;

use super::report::{EndpointReport, is_pending};
use super::{DELAYS, Progress};
use crate::aws::ec2::{Ec2, filter};
use crate::aws::error::Error;
use crate::aws::xml::Element;
use crate::endpoints::apply::{Outcome, Step};
use crate::endpoints::gather::parse;
use crate::endpoints::plan::{Action, EndpointPlan};

/// Reads that may fail one after the other.
const FAILURES: usize = 5;

/// The endpoints that a run waits for.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    ids: BTreeSet<String>,
    services: BTreeSet<String>,
    /// Created, and not listed yet.
    unlisted: Vec<String>,
}

impl Awaited {
    /// Those of the confirmed plan, and those that `steps` created. Other endpoints of the VPC are not ours to wait for.
    pub(super) fn new(report: &EndpointReport, steps: &[Step]) -> Self {
        let EndpointPlan { endpoints, is_removal, .. } = &report.plan;
        let services = endpoints.iter().filter(|_| !is_removal);
        let unlisted = steps.iter().filter_map(|step| match &step.outcome {
            Outcome::Done { id } if matches!(step.action, Action::CreateEndpoint { .. }) => id.clone(),
            _ => None,
        });
        Self {
            ids: endpoints.iter().filter_map(|endpoint| endpoint.id.clone()).collect(),
            services: services.map(|endpoint| endpoint.service_name.clone()).collect(),
            unlisted: unlisted.collect(),
        }
    }

    /// Those that are not listed, or change their state.
    fn pending(&mut self, listed: &[Element]) -> Vec<String> {
        let listed: Vec<_> = listed.iter().map(parse::endpoint).collect();
        self.unlisted.retain(|id| !listed.iter().any(|endpoint| endpoint.id == *id));
        let pending = listed.into_iter().filter(|endpoint| is_pending(Some(&endpoint.state)));
        let pending = pending.filter(|endpoint| {
            self.ids.contains(&endpoint.id) || self.services.contains(&endpoint.service_name)
        });
        self.unlisted.iter().cloned().chain(pending.map(|endpoint| endpoint.id)).collect()
    }
}

/// Waits while one of the endpoints is `pending` or `deleting`, or not listed.
pub(super) async fn wait(
    ec2: &Ec2,
    vpc: &str,
    mut awaited: Awaited,
    deadline: Instant,
    observe: &dyn Fn(&Progress<'_>),
) -> Result<(), Error> {
    let mut delay = DELAYS[0];
    let mut failures = 0;
    loop {
        match ec2.list("DescribeVpcEndpoints", "vpcEndpointSet", filter("vpc-id", &[vpc])).await {
            Ok(listed) => {
                failures = 0;
                let pending = awaited.pending(&listed);
                observe(&Progress::Waiting(&pending));
                if pending.is_empty() || Instant::now() >= deadline {
                    return Ok(());
                }
            }
            Err(error) => {
                failures += 1;
                if !may_end(&error) || failures == FAILURES || Instant::now() >= deadline {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(delay.min(deadline.saturating_duration_since(Instant::now()))).await;
        delay = (delay * 2).min(DELAYS[1]);
    }
}

/// Whether the same request may succeed later.
fn may_end(error: &Error) -> bool {
    error.is_overload() || matches!(error, Error::Unreachable { .. } | Error::Unusable { .. })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::StatusCode;

    use super::*;
    use crate::aws::testing::client;

    const ENDPOINTS: &str =
        "<DescribeVpcEndpointsResponse><vpcEndpointSet>ITEMS</vpcEndpointSet></DescribeVpcEndpointsResponse>";

    /// EC2 that answers with one of these lists of endpoints after the other, `None` being a failure; the last repeats.
    async fn ec2(lists: Vec<Option<String>>) -> (Ec2, Arc<AtomicUsize>) {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let answer = async move || {
            let number = count.fetch_add(1, Ordering::Relaxed).min(lists.len() - 1);
            match &lists[number] {
                Some(items) => (StatusCode::OK, ENDPOINTS.replace("ITEMS", items)),
                None => (StatusCode::OK, "<html>busy</html>".to_owned()),
            }
        };
        let router = axum::Router::new().fallback(axum::routing::post(answer));
        (Ec2::new(&client(router).await), requests)
    }

    fn item(id: &str, service: &str, state: &str) -> String {
        format!(
            "<item><vpcEndpointId>{id}</vpcEndpointId><serviceName>{service}</serviceName><state>{state}</state></item>"
        )
    }

    fn awaited(unlisted: &[&str]) -> Awaited {
        Awaited {
            ids: BTreeSet::new(),
            services: BTreeSet::from(["com.ours".to_owned()]),
            unlisted: unlisted.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    async fn waited(ec2: &Ec2, awaited: Awaited, timeout: u64) -> (Result<(), Error>, Vec<Vec<String>>) {
        let seen = RefCell::new(Vec::new());
        let observe = |progress: &Progress<'_>| {
            if let Progress::Waiting(pending) = progress {
                seen.borrow_mut().push(pending.to_vec());
            }
        };
        let deadline = Instant::now() + Duration::from_secs(timeout);
        let result = wait(ec2, "vpc-1", awaited, deadline, &observe).await;
        (result, seen.into_inner())
    }

    #[tokio::test]
    async fn it_waits_for_what_ec2_lists_late_and_not_for_endpoints_of_others() {
        let others = item("vpce-logs", "com.logs", "pending");
        let pending = others.clone() + &item("vpce-1", "com.ours", "pending");
        let available = others.clone() + &item("vpce-1", "com.ours", "available");
        let (ec2, _) = ec2(vec![Some(others), Some(pending), Some(available)]).await;
        let (result, seen) = waited(&ec2, awaited(&["vpce-1"]), 60).await;
        assert_eq!(result, Ok(()));
        assert_eq!(seen, [vec!["vpce-1"], vec!["vpce-1"], Vec::<&str>::new()]);
    }

    #[tokio::test]
    async fn a_failed_read_does_not_end_the_wait() {
        let available = item("vpce-1", "com.ours", "available");
        let (ec2, requests) = ec2(vec![None, Some(available)]).await;
        assert_eq!(waited(&ec2, awaited(&[]), 60).await.0, Ok(()));
        assert_eq!(requests.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_wait_ends_at_its_timeout() {
        let (ec2, requests) = ec2(vec![Some(item("vpce-1", "com.ours", "pending"))]).await;
        assert_eq!(waited(&ec2, awaited(&[]), 0).await, (Ok(()), vec![vec!["vpce-1".to_owned()]]));
        assert_eq!(requests.load(Ordering::Relaxed), 1);
    }
}
