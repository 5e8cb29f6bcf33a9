//! kubectl's flags for reaching a cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::duration;
use crate::castai::built_in;
use crate::cluster::{ConnectionFlags, Scope};
use crate::model::knowledge::Knowledge;

/// The heading of these flags.
pub(super) const CLUSTER: &str = "Cluster options";

/// kubectl's flags for reaching a cluster, accepted before and after the subcommand.
#[derive(Debug, Args)]
#[command(next_help_heading = CLUSTER)]
pub struct ConnectionArguments {
    /// Path to the kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE", value_parser = file(), hide_short_help = true)]
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

    /// Extra value to impersonate for the operation; may be repeated
    #[arg(long = "as-user-extra", global = true, value_name = "KEY=VALUE", value_parser = extra, hide_short_help = true)]
    pub impersonate_extra: Vec<(String, String)>,

    /// Path to a client certificate file for TLS
    #[arg(long, global = true, value_name = "FILE", value_parser = file(), hide_short_help = true)]
    pub client_certificate: Option<PathBuf>,

    /// Path to a client key file for TLS
    #[arg(long, global = true, value_name = "FILE", value_parser = file(), hide_short_help = true)]
    pub client_key: Option<PathBuf>,

    /// Path to a certificate file for the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", value_parser = file(), hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,

    /// Server name to use for validation of the API server's certificate
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,

    /// Do not check the API server's certificate
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_skip_tls_verify: bool,

    /// Timeout of a single request to the API server, such as 1s or 2m; 0 means no timeout
    #[arg(long, global = true, value_name = "DURATION", value_parser = request_timeout, default_value = REQUEST_TIMEOUT, hide_short_help = true)]
    pub request_timeout: Duration,

    /// Accepted for scripts that pass it to kubectl: responses are not compressed
    #[arg(long, global = true, hide = true)]
    disable_compression: bool,

    /// Accepted for scripts that pass it to kubectl: there is no cache
    #[arg(long, global = true, value_name = "DIR", value_parser = file(), hide = true)]
    cache_dir: Option<PathBuf>,
}

/// `KEY=VALUE`.
fn extra(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The default of `--request-timeout`.
const REQUEST_TIMEOUT: &str = "30s";

/// An empty value is the default, as in `--request-timeout "$TIMEOUT"` without the variable.
fn request_timeout(text: &str) -> Result<Duration, String> {
    duration(if text.is_empty() { REQUEST_TIMEOUT } else { text })
}

/// A path that may be empty, which clap's own parser refuses.
fn file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

impl ConnectionArguments {
    /// Removes empty values: as in kubectl, `--context "$CONTEXT"` without the variable is no flag. An empty `-n` is the
    /// namespace of the context.
    pub(super) fn drop_empty(&mut self) {
        let texts = [
            &mut self.context,
            &mut self.cluster,
            &mut self.user,
            &mut self.server,
            &mut self.token,
            &mut self.impersonate,
            &mut self.impersonate_uid,
            &mut self.tls_server_name,
        ];
        for text in texts {
            text.take_if(|text| text.is_empty());
        }
        let files = [
            &mut self.kubeconfig,
            &mut self.client_certificate,
            &mut self.client_key,
            &mut self.certificate_authority,
        ];
        for file in files {
            file.take_if(|file| file.as_os_str().is_empty());
        }
    }

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
            impersonate_extra: self.impersonate_extra.clone(),
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
        Scope {
            namespace: self.namespace.clone(),
            selector: selector.filter(|selector| !selector.is_empty()).cloned(),
        }
    }
}
