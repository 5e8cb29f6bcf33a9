//! Timeouts and retries of all servers except the API server, and the login of AWS.

use std::time::Duration;

use clap::Args;

use super::duration;
use crate::transport::Settings;
use crate::transport::aws_login::AwsLogin;

/// Timeouts and retries of all servers except the API server, and the login of AWS.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network options")]
pub struct NetworkArguments {
    /// Timeout of connecting to a registry or an endpoint
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "5s", hide_short_help = true)]
    pub connect_timeout: Duration,

    /// Timeout of an open connection on which no data arrives, for each attempt of a request (see --retries)
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "60s", hide_short_help = true)]
    pub idle_timeout: Duration,

    /// Timeout of an upload that takes no data while others of the same layer wait for it: it is done after them
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "2s", hide_short_help = true)]
    pub upload_start_timeout: Duration,

    /// Number of retries of a failed request
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 5, hide_short_help = true)]
    pub retries: u32,

    /// Upper bound of the first delay before a retry; each further one doubles
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "500ms", hide_short_help = true)]
    pub retry_delay: Duration,

    /// AWS profile to use (default: the SDK's choice, else that of the kubeconfig's user)
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub profile: Option<String>,
}

impl NetworkArguments {
    /// The flags as settings.
    pub fn settings(&self) -> Settings {
        Settings {
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            upload_start_timeout: self.upload_start_timeout,
            retries: self.retries,
            retry_delay: self.retry_delay,
            aws: AwsLogin {
                profile: self.profile.clone().filter(|profile| !profile.is_empty()),
                ..AwsLogin::default()
            },
        }
    }
}
