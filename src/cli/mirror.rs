//! Where images are mirrored to, and what they are called there.

use clap::Args;

use super::region;
use crate::model::image::Mirror;
use crate::model::name_map::NameMap;
use crate::sync::settings::MirrorSettings;

/// Destination of images, and their names.
#[derive(Debug, Args)]
pub struct MirrorArguments {
    /// Registry to mirror images to (default: `castai-privatelink` in the ECR of the cluster's account and region)
    #[arg(long, value_name = "HOST[/PATH]")]
    pub registry: Option<Mirror>,

    /// AWS region of the cluster (default: the region of its nodes)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Name of a public repository in the mirror; may be repeated
    #[arg(long = "map", value_name = "PRIVATE=PUBLIC")]
    pub maps: Vec<NameMap>,
}

impl MirrorArguments {
    /// The flags as settings.
    pub fn settings(&self) -> MirrorSettings {
        MirrorSettings {
            registries: self.registry.iter().cloned().collect(),
            region: self.region.clone(),
            maps: self.maps.clone(),
        }
    }
}
