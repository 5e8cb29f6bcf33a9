//! `values policy --apply`.

use serde_json::Value;

use crate::cli::{DryRun, PolicyArguments};
use crate::cluster::policy::apply;
use crate::cluster::{Connection, PatchMode};
use crate::commands::{CommandError, ExitStatus, question};
use crate::output;
use crate::persist::engine::refuse_unserved;
use crate::persist::names::Names;

/// Runs a server dry run of everything, then applies it.
pub(super) async fn carry_out(
    connection: &Connection,
    manifests: &[Value],
    names: &Names,
    wanted: &PolicyArguments,
    exit_status: ExitStatus,
) -> Result<ExitStatus, CommandError> {
    if wanted.dry_run.dry_run != DryRun::Client {
        refuse_unserved(connection, manifests).await?;
    }
    let objects = manifests.iter().map(|manifest| {
        let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let group = text("/apiVersion").split('/').next().unwrap_or_default();
        format!("{}.{group}/{}", text("/kind").to_lowercase(), text("/metadata/name"))
    });
    let objects: Vec<_> = objects.collect();
    let lines = |suffix: &str| objects.join(&format!(" {suffix}\n")) + &format!(" {suffix}\n");
    if wanted.dry_run.dry_run == DryRun::Client {
        output::result(&lines("applied (dry run)"))?;
        return Ok(exit_status);
    }
    for manifest in manifests {
        apply(connection, manifest, PatchMode::DryRun).await?;
    }
    if wanted.dry_run.dry_run == DryRun::Server {
        output::result(&lines("applied (server dry run)"))?;
        return Ok(exit_status);
    }
    let work = format!("apply {} to {}", objects.join(" and "), connection.name);
    let show = || names.lines().iter().for_each(|line| output::say(line));
    if !wanted.yes && !question::confirm(work, show).await? {
        output::say("nothing was changed");
        return Ok(ExitStatus::Attention);
    }
    for manifest in manifests {
        apply(connection, manifest, PatchMode::Apply).await?;
    }
    output::result(&lines("applied"))?;
    output::say(&format!(
        "images of new pods are renamed from now on; to undo: kubectl delete {}",
        objects.join(" ")
    ));
    Ok(exit_status)
}
