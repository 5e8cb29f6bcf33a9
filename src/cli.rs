//! The command line: clap types and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::image::Mirror;
use crate::preflight::Endpoint;
use crate::sync::assignment::NameMap;

#[derive(Debug, Parser)]
#[command(
    name = "kubectl castai-privatelink",
    bin_name = "kubectl castai-privatelink",
    version,
    disable_version_flag = true,
    about = "Check and mirror images for Cast AI PrivateLink",
    long_about = "Makes Cast AI work on EKS clusters whose nodes cannot reach the internet: proves that the \
                  cluster reaches Cast AI through AWS PrivateLink, mirrors every image that Cast AI needs to a \
                  private ECR, and rewrites the images in place.\n\n\
                  Exit codes: 0 done or nothing to do; 1 something needs attention; 2 wrong usage or could not \
                  run; 130 interrupted.",
    max_term_width = 120
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,

    #[command(flatten)]
    pub connection: ConnectionArguments,

    #[command(flatten)]
    pub network: NetworkArguments,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Preflight(PreflightArguments),
    SyncImages(Box<SyncArguments>),
    Version(VersionArguments),
}

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

    /// Namespace to look at; all namespaces without it
    #[arg(long, short, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

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

    /// Path to a certificate file for the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,

    /// Server name to use for validation of the API server's certificate
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,

    /// Do not check the API server's certificate
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_skip_tls_verify: bool,

    /// Longest wait for a single request to the API server, such as 1s or 2m; 0 means no limit
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "30s", hide_short_help = true)]
    pub request_timeout: Duration,
}

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

    /// Say more about what is done; -v shows retries and requests
    #[arg(long = "verbose", short, global = true, action = clap::ArgAction::Count)]
    pub verbosity: u8,
}

/// Prove that this cluster can reach Cast AI privately
///
/// Checks, for each Cast AI endpoint that the cluster's components are configured with and each PrivateLink service
/// of the region, that its name resolves to private addresses and that TCP, TLS and HTTP or gRPC answer; and that
/// ECR can be used. Network facts count only from inside the VPC: elsewhere they are Unknown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Check the current context's cluster
  kubectl castai-privatelink preflight

  # Check from a machine whose DNS is the VPC's, though it is no EC2 instance
  kubectl castai-privatelink preflight --here=inside

  # As JSON, failing also where something could not be looked at
  kubectl castai-privatelink preflight -o json --fail-on=unknown")]
pub struct PreflightArguments {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,

    /// Whether this machine is inside the cluster's VPC; found out by instance metadata without it
    #[arg(long, value_enum, value_name = "WHERE")]
    pub here: Option<Here>,

    /// AWS region of the cluster; taken from its nodes without it
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Registry that images are mirrored to; the ECR of the cluster's account and region without it
    #[arg(long, value_name = "HOST[/PATH]")]
    pub registry: Option<Mirror>,

    /// Longest wait for one answer of one check
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub timeout: Duration,

    /// Longest wait for this machine's instance metadata
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1s", hide_short_help = true)]
    pub metadata_timeout: Duration,

    /// A further HTTPS endpoint to check; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub https: Vec<Endpoint>,

    /// A further gRPC endpoint to check; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub grpc: Vec<Endpoint>,

    /// The mildest result that makes the exit code 1
    #[arg(long, value_enum, value_name = "RESULT", default_value_t = FailOn::Fail)]
    pub fail_on: FailOn,
}

/// Mirror every image that Cast AI needs, and rewrite the workloads to use them
///
/// Discovers Cast AI's workloads, copies their images byte for byte to a private registry (ECR by default), verifies
/// them there, and only then rewrites the images in place, waiting for each rollout. Running again is always safe.
///
/// The file of a step that runs is written, and the file of a step that is left out is read, so that machines can
/// share the work: --inventory (left out by --no-discover), --plan (likewise), --lock (left out by --no-mirror).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what would be copied and rewritten
  kubectl castai-privatelink sync-images --dry-run

  # Do it
  kubectl castai-privatelink sync-images

  # Mirror the images of manifests that are not in the cluster yet
  helm template castai-agent castai-helm/castai-agent | kubectl castai-privatelink sync-images -f - --no-rewrite

  # Install with private images: mirror what the manifests name, then apply them with the names in the mirror
  kubectl castai-privatelink sync-images -f agent.yaml --no-rewrite
  kubectl castai-privatelink sync-images -f agent.yaml --rewrite-only -o yaml | kubectl apply -f -

  # Where no machine reaches everything: cluster, registries, cluster
  kubectl castai-privatelink sync-images --no-mirror --no-rewrite --inventory inventory.json
  kubectl castai-privatelink sync-images --no-discover --inventory inventory.json --no-rewrite --lock lock.json
  kubectl castai-privatelink sync-images --no-mirror --lock lock.json")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SyncArguments {
    /// Registry to mirror to; the ECR of the cluster's account and region without it
    #[arg(long, value_name = "HOST[/PATH]")]
    pub registry: Option<Mirror>,

    /// AWS region of the cluster; taken from its nodes without it
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Name of a public repository in the mirror; may be repeated
    #[arg(long = "map", value_name = "PRIVATE=PUBLIC")]
    pub maps: Vec<NameMap>,

    /// Manifests whose images are mirrored too: a file, a directory, or - for standard input; may be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE|-|DIR")]
    pub files: Vec<PathBuf>,

    /// Label selector that workloads must match
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Only images whose name as written matches; `*` matches any text; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,

    /// No images whose name matches; derived images follow the container that they come from; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Show what would be done: `client` asks nobody, `server` (meant by the bare flag) has the API server check every patch
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = DryRun::None,
        default_missing_value = "server"
    )]
    pub dry_run: DryRun,

    /// Do not look at the cluster for images: take them from --inventory or --plan
    #[arg(long)]
    pub no_discover: bool,

    /// Do not copy: rewrite only what --lock holds or what is found verified in the registry
    #[arg(long)]
    pub no_mirror: bool,

    /// Do not change the cluster
    #[arg(long)]
    pub no_rewrite: bool,

    /// Print the manifests of -f with the images' private names and no other byte changed, once the registry is seen to
    /// hold every one of them; nothing is copied, and no cluster is changed
    #[arg(
        long,
        conflicts_with_all = [
            "selector", "dry_run", "no_discover", "no_mirror", "no_rewrite", "inventory", "plan", "jobs", "wait",
            "timeout", "settle_time",
        ]
    )]
    pub rewrite_only: bool,

    /// File for the images found
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// File for the steps planned
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,

    /// File for what is verified in the registry
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// How many blobs are copied at a time
    #[arg(long, short, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,

    /// Go on without asking
    #[arg(long, short)]
    pub yes: bool,

    /// Wait for the rollouts
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub wait: bool,

    /// Longest wait for one rollout
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,

    /// How long a component that was broken before may take to become ready after its containers have started
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s", hide_short_help = true)]
    pub settle_time: Duration,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// Print the version
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # For a bug report
  kubectl castai-privatelink version

  # For a script
  kubectl castai-privatelink version -o json")]
pub struct VersionArguments {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub output: Option<VersionFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VersionFormat {
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    None,
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Here {
    Inside,
    Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Warn,
    Fail,
    Unknown,
}

/// Reads `1s`, `2m`, `500ms`, `1h30m`, or a number of seconds, as kubectl's `--request-timeout` does.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| duration.try_into().ok())
        .ok_or_else(|| "expected a duration such as 30s, 5m or 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_kubectl_reads_them() {
        for (text, milliseconds) in [("30s", 30_000), ("2m", 120_000), ("500ms", 500), ("7", 7_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "x", "-5s", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn global_flags_are_accepted_before_and_after_the_command() {
        for line in ["x --context a sync-images --dry-run", "x sync-images --dry-run --context a"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.connection.context.as_deref(), Some("a"));
            let Command::SyncImages(sync) = arguments.command else { panic!("{line}") };
            assert_eq!(sync.dry_run, DryRun::Server);
        }
    }
}
