//! The files that machines hand to each other: inventory, plan and lock as JSON.

use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{InvalidArtifact, check_lock, check_plan};
use crate::atomic_file;
use crate::error::CommandError;
use crate::model::inventory::{API_VERSION, Inventory};
use crate::model::knowledge::Knowledge;
use crate::model::lock::Lock;
use crate::model::name_map::NameMap;
use crate::model::plan::Plan;
use crate::parse;
use crate::sync::settings::{Artifact, Artifacts};

/// Reads a value of the given kind.
///
/// # Errors
/// The file cannot be read, is of another kind or version, or is damaged.
fn read<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("error: reading {shown}: {error}");
        match writer(kind) {
            Some(flags) if error.kind() == ErrorKind::NotFound => {
                CommandError::with_hint(message, format!("create it with: sync-images {flags} {shown}"))
            }
            _ => CommandError::new(message),
        }
    })?;
    let value: Value = parse::json::from_str(&text).map_err(|error| match error {
        parse::json::Error::TooDeep { .. } => CommandError::new(format!("error: {shown} is {error}")),
        parse::json::Error::Invalid(error) => {
            CommandError::new(format!("error: {shown} is not JSON: {error}"))
        }
    })?;
    let (found_kind, found_version) = (value["kind"].as_str(), value["apiVersion"].as_str());
    if found_kind != Some(kind) {
        let found = found_kind.unwrap_or("no document of this plugin");
        return Err(CommandError::new(format!(
            "error: invalid file {shown}: expected {kind}, found {found}"
        )));
    }
    if found_version != Some(API_VERSION) {
        let found = found_version.unwrap_or("none");
        let message = format!("error: unsupported version in {shown}: expected {API_VERSION}, found {found}");
        return Err(CommandError::with_hint(message, "use the same version of the plugin on all machines"));
    }
    serde_json::from_value(value)
        .map_err(|error| CommandError::new(format!("error: invalid file {shown}: {error}")))
}

/// Reads an inventory. Names and reasons in it are the word of who gives the file; what they may add is bounded as in
/// `--knowledge`.
///
/// # Errors
/// As [`read`], or an entry of its knowledge would mean nothing or too much.
pub fn read_inventory(path: &Path) -> Result<Inventory, CommandError> {
    let inventory: Inventory = read(path, "Inventory")?;
    let wrong = |why| CommandError::new(format!("error: {}: knowledge: {why}", path.display()));
    inventory.knowledge.check().map_err(wrong)?;
    Ok(inventory)
}

/// Reads a lock whose every entry holds.
///
/// # Errors
/// As [`read`], or an entry does not hold; the error names it.
pub fn read_lock(path: &Path, maps: &[NameMap]) -> Result<Lock, CommandError> {
    let lock = read(path, "Lock")?;
    check_lock(&lock, maps).map_err(|fault| distrusted(path, fault))?;
    Ok(lock)
}

/// Reads a plan whose every entry holds.
///
/// # Errors
/// As [`read`], or an entry does not hold; the error names it.
pub fn read_plan(path: &Path, maps: &[NameMap], knowledge: &Knowledge) -> Result<Plan, CommandError> {
    let plan = read(path, "Plan")?;
    check_plan(&plan, maps, knowledge).map_err(|fault| distrusted(path, fault))?;
    Ok(plan)
}

fn distrusted(path: &Path, fault: InvalidArtifact) -> CommandError {
    let message = format!("error: {}: {fault}", path.display());
    let hint = fault
        .hint
        .unwrap_or_else(|| "create the file again, with this version and the same flags".to_owned());
    CommandError::with_hint(message, hint)
}

/// Writes a value so that a file is either the former one or the whole new one, whatever happens.
///
/// # Errors
/// The folder cannot be written to, or the disk is full.
fn write(path: &Path, value: &impl Serialize) -> Result<(), CommandError> {
    let attempt = || -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        atomic_file::write(path, text.as_bytes())
    };
    attempt().map_err(|error| CommandError::new(format!("error: writing {}: {error}", path.display())))
}

/// The run that writes a file of this kind.
fn writer(kind: &str) -> Option<&'static str> {
    match kind {
        "Inventory" => Some("--no-mirror --no-rewrite --inventory"),
        "Plan" => Some("--dry-run --plan"),
        "Lock" => Some("--no-rewrite --lock"),
        _ => None,
    }
}

impl Artifacts {
    /// Finds out before long work whether its result can be written.
    ///
    /// # Errors
    /// The lock's file cannot be written.
    pub fn check(&self) -> Result<(), CommandError> {
        match &self.lock {
            Artifact::WrittenTo(path) => check(path),
            Artifact::None | Artifact::Given(_) => Ok(()),
        }
    }
}

impl<T: Serialize> Artifact<T> {
    /// Writes `value` where it is to be written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, value: &T) -> Result<(), CommandError> {
        match self {
            Self::WrittenTo(path) => write(path, value),
            Self::None | Self::Given(_) => Ok(()),
        }
    }
}

/// Finds out early, before long work whose result goes there, that a file cannot be written.
///
/// # Errors
/// As [`write`], as far as that can be seen without a byte of content.
fn check(path: &Path) -> Result<(), CommandError> {
    atomic_file::check(path)
        .map_err(|error| CommandError::new(format!("error: writing {}: {error}", path.display())))
}
