//! The rules of a security group: all in one request, and one by one if EC2 refuses that because of one of them.

use std::time::Duration;

use super::requests::ingress;
use super::{Outcome, has_code, send};
use crate::aws::ec2::Ec2;
use crate::aws::error::Error;
use crate::aws::xml::Element;
use crate::endpoints::settings::Peer;

/// Delays before the next attempts, in milliseconds: EC2 may not find a security group for some seconds after it created it.
const DELAYS: [u64; 5] = [250, 500, 1000, 2000, 2000];

const DUPLICATE: &str = "InvalidPermission.Duplicate";
const NOT_FOUND: &str = "InvalidGroup.NotFound";

/// At most as many errors are in one message.
const SHOWN: usize = 3;

/// Admits `peers` to the security group with the identifier `group`, which this run may just have created.
pub(super) async fn admit(ec2: &Ec2, group: &str, is_new: bool, peers: &[Peer]) -> Result<Outcome, Error> {
    match admit_all(ec2, group, is_new, peers).await {
        Ok(_) => return Ok(Outcome::Done { id: None }),
        Err(error) if !is_about_one(&error, group) => return Err(error),
        Err(_) => {}
    }
    let mut failed = Vec::new();
    let mut is_outdated = true;
    for peer in peers {
        match send(ec2, &ingress(group, std::slice::from_ref(peer))).await {
            Ok(_) => {}
            Err(error) if has_code(&error, DUPLICATE) => {}
            Err(error) if error.stops_everything() => return Err(error),
            Err(error) => {
                is_outdated &= has_code(&error, NOT_FOUND);
                failed.push(format!("{peer}: {error}"));
            }
        }
    }
    if failed.is_empty() {
        return Ok(Outcome::Done { id: None });
    }
    let admitted = peers.len() - failed.len();
    let more = failed.len().saturating_sub(SHOWN);
    failed.truncate(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let message = format!("{admitted} of {} admitted; {}{more}", peers.len(), failed.join("; "));
    Ok(if is_outdated { Outcome::Outdated { message } } else { Outcome::Failed { message } })
}

/// One request for all, repeated while EC2 does not find a new group.
async fn admit_all(ec2: &Ec2, group: &str, is_new: bool, peers: &[Peer]) -> Result<Element, Error> {
    let request = ingress(group, peers);
    let is_peer = |error: &Error| {
        let text = error.to_string();
        peers.iter().any(|peer| matches!(peer, Peer::Group(id) if id != group && text.contains(id.as_str())))
    };
    for delay in DELAYS.map(Duration::from_millis) {
        match send(ec2, &request).await {
            Err(error) if is_new && has_code(&error, NOT_FOUND) && !is_peer(&error) => {
                tokio::time::sleep(delay).await;
            }
            result => return result,
        }
    }
    send(ec2, &request).await
}

/// Whether EC2 refused all rules because of one: it exists, or its source is not found or not valid.
fn is_about_one(error: &Error, group: &str) -> bool {
    let Error::Service { code, message, .. } = error else { return false };
    code == DUPLICATE
        || code == NOT_FOUND && !message.contains(group)
        || ["InvalidParameter", "InvalidGroupId"].iter().any(|start| code.starts_with(start))
}
