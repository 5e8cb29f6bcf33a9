//! Which images are looked for, and where: flags that commands share.

use std::path::PathBuf;

use clap::Args;

use crate::castai::knowledge::check_prefix;
use crate::model::image::Image;

#[derive(Debug, Args)]
pub struct SelectionArguments {
    /// Label selector that workloads must match
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    pub selector: Option<String>,

    #[command(flatten)]
    pub filter: FilterArguments,
}

impl SelectionArguments {
    /// The selector; an empty one selects everything, as in kubectl.
    pub fn selector(&self) -> Option<&String> {
        self.selector.as_ref().filter(|selector| !selector.is_empty())
    }
}

/// Which images are wanted, wherever they are looked for.
#[derive(Debug, Args)]
pub struct FilterArguments {
    /// Only images whose name matches this pattern; `*` matches any text; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,

    /// Exclude images whose name matches this pattern; derived images follow their container; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    #[command(flatten)]
    pub knowledge: KnowledgeArguments,
}

/// What adds to what is known of Cast AI.
#[derive(Debug, Args)]
pub struct KnowledgeArguments {
    /// Additional image to include, even if no workload uses it; may be repeated
    #[arg(long = "include-image", value_name = "IMAGE")]
    pub include_images: Vec<Image>,

    /// Additional prefix of Cast AI images, such as quay.io/castai; may be repeated
    #[arg(long = "image-prefix", value_name = "PREFIX", value_parser = image_prefix)]
    pub image_prefixes: Vec<String>,

    #[command(flatten)]
    pub file: KnowledgeFileArguments,
}

/// The file alone, where no image is looked for.
#[derive(Debug, Args)]
pub struct KnowledgeFileArguments {
    /// File with additional facts about Cast AI, such as namespaces, charts, image prefixes, variables, endpoints
    #[arg(long = "knowledge", value_name = "FILE")]
    pub path: Option<PathBuf>,
}

fn image_prefix(text: &str) -> Result<String, String> {
    check_prefix(text).map(|()| text.to_owned())
}
