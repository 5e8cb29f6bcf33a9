//! The flags of pods as vantage points.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::super::duration;
use crate::cli::DryRunArguments;
use crate::error::CommandError;
use crate::model::image::Image;
use crate::preflight::pods::{self, NodeChoice, PodSettings};

/// Maximum size of `--ca-bundle`, in bytes: it becomes part of a `ConfigMap`, which may have 1 MiB.
const CA_BYTES: u64 = 512 * 1024;

#[derive(Debug, Args)]
#[command(next_help_heading = "Pod options")]
pub struct PodArguments {
    /// Whether pods look from the nodes: `auto` in addition to this machine, if that is confirmed; `only` pods, without a prompt
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = InCluster::Auto)]
    pub in_cluster: InCluster,

    /// Nodes to look from: `all`, a number for each combination of subnet, architecture and node group, or names; may be
    /// repeated
    #[arg(long, value_name = "all|N|NAME,…", value_delimiter = ',', default_value = "1")]
    pub nodes: Vec<String>,

    /// Image of the probe, if you mirror it yourself (default: pushed to castai-privatelink-probe below the mirror)
    #[arg(long, value_name = "IMAGE")]
    pub probe_image: Option<Image>,

    /// File with additional root certificates (PEM) that the probe trusts in pods
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,

    /// Time in which the container of a pod must have started
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "45s", hide_short_help = true)]
    pub pod_start_timeout: Duration,

    /// Push the probe image and create pods without a confirmation prompt
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InCluster {
    Auto,
    Off,
    Only,
}

#[derive(Debug, Args)]
pub struct PreflightCleanupArguments {
    #[command(flatten)]
    pub dry_run: DryRunArguments,
}

impl PodArguments {
    /// The flags as settings. Whether pods are confirmed is not known yet.
    ///
    /// # Errors
    /// The choice of nodes is contradictory, or the file cannot be used.
    pub fn settings(&self) -> Result<PodSettings, CommandError> {
        Ok(PodSettings {
            mode: match self.in_cluster {
                InCluster::Auto => pods::InCluster::Auto,
                InCluster::Off => pods::InCluster::Off,
                InCluster::Only => pods::InCluster::Only,
            },
            nodes: nodes(&self.nodes)?,
            image: self.probe_image.as_ref().map(|image| image.as_written().to_owned()),
            ca: self.ca_bundle.as_deref().map(read_roots).transpose()?,
            start_timeout: self.pod_start_timeout,
        })
    }
}

fn nodes(words: &[String]) -> Result<NodeChoice, CommandError> {
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match (words, numbers.as_slice()) {
        ([only], []) if only == "all" => Ok(NodeChoice::All),
        ([_], [number]) => NonZeroUsize::new(*number).map(NodeChoice::PerGroup).ok_or_else(|| {
            CommandError::with_hint(
                "error: --nodes=0 looks from no node",
                "to look from no pod, pass --in-cluster=off",
            )
        }),
        (names, []) if !names.iter().any(|name| name == "all" || name.is_empty()) => {
            Ok(NodeChoice::Named(names.iter().cloned().collect()))
        }
        _ => Err(CommandError::with_hint(
            "error: --nodes combines names with a number or with \"all\"",
            "pass either all, one number, or names of nodes",
        )),
    }
}

fn read_roots(path: &std::path::Path) -> Result<String, CommandError> {
    let wrong = |why: &str| {
        let message = format!("error: cannot use --ca-bundle {}: {why}", path.display());
        CommandError::with_hint(message, "it must be a file with certificates in PEM")
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
    if size > CA_BYTES {
        return Err(wrong(&format!("larger than {} KiB", CA_BYTES / 1024)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong("no certificate in PEM found"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_all_a_number_or_names() {
        let choose = |text: &str| {
            let words: Vec<_> = text.split(',').map(str::to_owned).collect();
            nodes(&words).map_err(|error| error.message)
        };
        assert_eq!(choose("all"), Ok(NodeChoice::All));
        assert_eq!(choose("3"), Ok(NodeChoice::PerGroup(NonZeroUsize::new(3).unwrap())));
        let named = NodeChoice::Named(["ip-1", "ip-2"].map(str::to_owned).into());
        assert_eq!(choose("ip-1,ip-2"), Ok(named));
        for text in ["0", "all,ip-1", "2,ip-1", "1,2", ""] {
            assert!(choose(text).is_err(), "{text}");
        }
    }
}
