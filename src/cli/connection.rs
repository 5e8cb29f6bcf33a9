//! kubectl's flags for reaching a cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::castai::built_in;
use crate::cluster::{ConnectionFlags, Scope};
use crate::model::knowledge::Knowledge;

/// kubectl's flags for reaching a cluster, accepted before and after the subcommand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster options")]
pub struct ConnectionArguments {
    /// Path to the kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub kubeconfig: Option<PathBuf>,

    /// Name of the kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Name of the kubeconfig cluster to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub cluster: Option<String>,

    /// Name of the kubeconfig user to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub user: Option<String>,

    /// Namespace to read (default: all namespaces)
    #[arg(long, short, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Read all namespaces (the default without -n)
    #[arg(long, short = 'A', global = true, hide_short_help = true)]
    pub all_namespaces: bool,

    /// Address and port of the Kubernetes API server
    #[arg(long, short, global = true, value_name = "URL", hide_short_help = true)]
    pub server: Option<String>,

    /// Bearer token for authentication to the API server
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub token: Option<String>,

    /// Username to impersonate for the operation
    #[arg(long = "as", global = true, value_name = "USER", hide_short_help = true)]
    pub impersonate: Option<String>,

    /// Group to impersonate for the operation; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP", hide_short_help = true)]
    pub impersonate_group: Vec<String>,

    /// UID to impersonate for the operation
    #[arg(long = "as-uid", global = true, value_name = "UID", hide_short_help = true)]
    pub impersonate_uid: Option<String>,

    /// Path to a client certificate file for TLS
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_certificate: Option<PathBuf>,

    /// Path to a client key file for TLS
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_key: Option<PathBuf>,

    /// Path to a certificate file for the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,

    /// Server name to use for validation of the API server's certificate
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,

    /// Do not check the API server's certificate
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_skip_tls_verify: bool,

    /// Timeout of a single request to the API server, such as 1s or 2m; 0 means no timeout
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "30s", hide_short_help = true)]
    pub request_timeout: Duration,
}

impl ConnectionArguments {
    /// The flags as the cluster adapter takes them. `knowledge` says which variables of containers hold images.
    pub fn flags(&self, knowledge: &Knowledge) -> ConnectionFlags {
        ConnectionFlags {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            server: self.server.clone(),
            token: self.token.clone(),
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_group.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            tls_server_name: self.tls_server_name.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            request_timeout: Some(self.request_timeout),
            unattended: false,
            image_variables: knowledge.image_variables(),
        }
    }

    /// The connection flags for shell completion, which never prompts.
    pub fn unattended(&self) -> ConnectionFlags {
        ConnectionFlags { unattended: true, ..self.flags(built_in()) }
    }

    /// Selection of objects in the cluster.
    pub fn scope(&self, selector: Option<&String>) -> Scope {
        Scope { namespace: self.namespace.clone(), selector: selector.cloned() }
    }
}
