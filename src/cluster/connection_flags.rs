//! kubectl's flags on where to connect and as whom.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::image_field::Variables;

/// kubectl's connection flags, and options for reading the cluster.
#[derive(Clone, Default)]
pub struct ConnectionFlags {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub server: Option<String>,
    pub token: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`.
    pub impersonate_groups: Vec<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    /// `--as-user-extra`: keys and values.
    pub impersonate_extra: Vec<(String, String)>,
    pub certificate_authority: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub insecure_skip_tls_verify: bool,
    pub tls_server_name: Option<String>,
    /// For each request; zero means no limit, as in kubectl.
    pub request_timeout: Option<Duration>,
    /// No terminal: a credential plugin gets no standard input.
    pub unattended: bool,
    /// Variables of containers that are read as images.
    pub image_variables: Variables,
}

impl ConnectionFlags {
    pub(super) fn choose_a_cluster(&self) -> bool {
        self.kubeconfig.is_some()
            || self.context.is_some()
            || self.cluster.is_some()
            || self.user.is_some()
            || self.server.is_some()
    }
}
