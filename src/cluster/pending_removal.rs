//! Objects that this process created in a cluster and removes before it ends, also if it is interrupted. A process runs
//! one command, so there is one list.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::connect::Connection;
use super::probe_pods::{Created, DeleteMode, delete_created};

static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

struct Pending {
    connection: Connection,
    objects: Vec<Created>,
}

/// The result of removing objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    Done,
    /// Why some may be left.
    Failed(String),
}

/// Remembers objects to remove, before the requests that create them.
pub fn remember(connection: &Connection, objects: Vec<Created>) {
    let pending = Pending { connection: connection.clone(), objects };
    *PENDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
}

/// Whether there is something to remove.
pub fn is_pending() -> bool {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Removes what was remembered; `None` if that is nothing. What is not done within `limit` is reported.
pub async fn remove(limit: Duration) -> Option<Removal> {
    let take = || PENDING.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Pending { connection, objects } = take()?;
    // The objects stay remembered while they are removed: this future may be dropped.
    remember(&connection, objects.clone());
    let result = tokio::time::timeout(limit, delete_created(&connection, &objects, DeleteMode::Delete)).await;
    take();
    Some(match result.as_deref() {
        Ok([]) => Removal::Done,
        Ok([(object, error), ..]) => Removal::Failed(format!("{}: {error}", object.to_text())),
        Err(_) => Removal::Failed(format!("no response within {} s", limit.as_secs())),
    })
}
