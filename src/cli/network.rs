//! Time-outs and retries of everything but the API server.

use std::time::Duration;

use clap::Args;

use super::duration;
use crate::transport::Settings;

/// Time-outs and retries of everything but the API server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network options")]
pub struct NetworkArguments {
    /// Longest wait for a connection to a registry or an endpoint
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "5s", hide_short_help = true)]
    pub connect_timeout: Duration,

    /// Longest silence on an open connection
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "60s", hide_short_help = true)]
    pub idle_timeout: Duration,

    /// How often a failed request is tried again
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 5, hide_short_help = true)]
    pub retries: u32,

    /// Upper bound of the first delay before a retry; each further one doubles
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "500ms", hide_short_help = true)]
    pub retry_delay: Duration,
}

impl NetworkArguments {
    /// The flags as settings.
    pub const fn settings(&self) -> Settings {
        Settings {
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            retries: self.retries,
            retry_delay: self.retry_delay,
        }
    }
}
