//! Where source images are read.

use clap::Args;

use crate::model::source_registry::SourceRegistry;

/// Sources of images.
#[derive(Debug, Args)]
pub struct SourceArguments {
    /// Registry to read the images of another one through, such as ghcr.io=artifactory.example/ghcr; may be repeated
    #[arg(long = "source-registry", value_name = "HOST=HOST[/PATH]")]
    pub source_registries: Vec<SourceRegistry>,
}
