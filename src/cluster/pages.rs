//! Paginated lists.

use kube::api::{ListParams, ObjectList};

use super::connect::Connection;
use super::error::{Error, ErrorKind};

/// Page size, as in kubectl.
pub(super) const PAGE: u32 = 500;

/// How often a list is restarted after its continue token expired (410). Tokens expire after about five minutes
/// (kube-apiserver, `--etcd-compaction-interval`).
pub(super) const RESTARTS: u32 = 3;

/// Reads all pages of a list and collects what `take` keeps of each, so that not all objects are in memory together.
pub(super) async fn collect<K, R, F>(
    connection: &Connection,
    parameters: ListParams,
    list: impl Fn(ListParams) -> F,
    take: impl Fn(&mut R, Vec<K>),
) -> Result<R, Error>
where
    K: Clone,
    R: Default,
    F: Future<Output = kube::Result<ObjectList<K>>>,
{
    let mut parameters = parameters.limit(PAGE);
    let mut result = R::default();
    let mut restarts = 0;
    loop {
        let page = match connection.read(|| list(parameters.clone())).await {
            Err(error) if error.kind() == ErrorKind::Expired && restarts < RESTARTS => {
                restarts += 1;
                result = R::default();
                parameters.continue_token = None;
                continue;
            }
            page => page?,
        };
        take(&mut result, page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(result),
        }
    }
}
