//! `values helm -f`: the values of charts that are not installed yet. No cluster is read if `--registry` is given.

use std::path::PathBuf;

use super::documents::print;
use crate::cli::{Arguments, HelmArguments};
use crate::cluster;
use crate::cluster::environment::Environment;
use crate::cluster::release::Release;
use crate::commands::{CommandError, ExitStatus, aws_login, selection};
use crate::output::{self, values as text};
use crate::persist::helm::document::{Occasion, document};
use crate::persist::helm::{rendered, values};
use crate::sync::discover::manifests;
use crate::sync::mirror_choice;
use crate::sync::plan::assignment::Naming;

pub(super) async fn run(arguments: &Arguments, wanted: &HelmArguments) -> Result<ExitStatus, CommandError> {
    let knowledge = selection::knowledge(&wanted.naming.knowledge)?;
    let releases = read(&wanted.files, arguments.connection.namespace.clone()).await?;
    let settings = wanted.naming.mirror.settings();
    let connection = if settings.registries.is_empty() {
        Some(cluster::connect(&arguments.connection.flags(&knowledge)).await?)
    } else {
        None
    };
    let network = aws_login::network(arguments, connection.as_ref(), &settings.registries);
    let cluster = match &connection {
        Some(connection) => Some(Environment::read(connection).await?.cluster(settings.region.as_deref())),
        None => None,
    };
    let mirror = mirror_choice::chosen(&network, &settings, cluster.as_ref()).await?;
    mirror_choice::refuse_path(&mirror)?;
    mirror_choice::refuse_maps(std::slice::from_ref(&mirror), &settings.maps)?;
    let naming = Naming { mirror: &mirror, maps: &settings.maps, knowledge: &knowledge };
    let region = settings.region_of(cluster.as_ref(), &mirror);
    let (assignments, notes) = rendered::assignments(&releases, naming, region.as_deref());
    for note in &notes {
        output::warning(note);
    }
    for release in releases.iter().filter(|release| release.name.name == rendered::PLACEHOLDER) {
        output::warning(&format!(
            "the objects of chart {} name several releases in the label app.kubernetes.io/instance: replace {} with the \
             name of yours",
            release.chart.name,
            rendered::PLACEHOLDER
        ));
    }
    let decided: Vec<_> =
        releases.iter().filter_map(|release| values(release, naming, &assignments)).collect();
    if decided.is_empty() {
        return Err(CommandError::not_found(
            "error: no image of a Cast AI chart in the files given",
            "pass the unchanged output of helm template for a chart of Cast AI",
        ));
    }
    text::not_covered(decided.iter());
    let documents: Vec<_> =
        decided.iter().map(|values| document(values, Occasion::Installation, wanted.output())).collect();
    print(&documents, wanted)?;
    let hooks: Vec<_> =
        decided.iter().flat_map(|values| &values.blocking_hooks).map(String::as_str).collect();
    if hooks.is_empty() {
        output::say("install in this order:");
    } else {
        output::say(&format!("install in this order (the policy is for the hooks {}):", hooks.join(", ")));
    }
    for step in rendered::steps(&decided, &wanted.mirror_command(), &wanted.naming.flags(), wanted.output()) {
        output::say(&format!("  {step}"));
    }
    let is_complete = decided.iter().all(|values| values.gaps.is_empty());
    Ok(if is_complete { ExitStatus::Done } else { ExitStatus::Attention })
}

/// Reads the releases in the files. Reading standard input may block, and Ctrl-C must work meanwhile.
async fn read(files: &[PathBuf], namespace: Option<String>) -> Result<Vec<Release>, CommandError> {
    let files = files.to_vec();
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<_>, CommandError> {
        let mut all = Vec::new();
        for file in files {
            for text in manifests::texts(&file.to_string_lossy())? {
                manifests::parse(&text.path, &text.text)?;
                let found = rendered::releases(&text.text, namespace.as_deref());
                all.extend(found.map_err(|why| CommandError::new(format!("error: {}: {why}", text.path)))?);
            }
        }
        Ok(all)
    });
    read.await.map_err(std::io::Error::other)?
}
