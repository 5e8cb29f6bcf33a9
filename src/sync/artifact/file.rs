//! The artifacts that are passed between machines: inventory, plan and lock as JSON files.

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
use crate::parse::encoding::{self, BYTE_ORDER_MARK};
use crate::sync::settings::{Artifact, Artifacts};

/// Reads an artifact of the given kind.
///
/// # Errors
/// The file cannot be read, is of another kind or version, or is malformed.
fn read<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T, CommandError> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        let message = format!("error: reading {shown}: {error}");
        match writer(kind) {
            Some(flags) if error.kind() == ErrorKind::NotFound => CommandError::with_hint(
                message,
                format!("create it with: kubectl castai-privatelink sync-images {flags} {shown}"),
            ),
            _ => CommandError::new(message),
        }
    })?;
    let text = encoding::decode(bytes)
        .map_err(|error| CommandError::with_hint(format!("error: reading {shown}: {error}"), error.hint()))?;
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    let value: Value = parse::json::from_str(text).map_err(|error| match error {
        parse::json::Error::TooDeep { .. } => CommandError::new(format!("error: {shown} is {error}")),
        parse::json::Error::Invalid(error) => {
            CommandError::new(format!("error: {shown} is not valid JSON: {error}"))
        }
    })?;
    let (found_kind, found_version) = (value["kind"].as_str(), value["apiVersion"].as_str());
    if found_kind != Some(kind) {
        let found = found_kind.unwrap_or("a document without kind");
        return Err(CommandError::new(format!(
            "error: invalid file {shown}: expected {kind}, found {found}"
        )));
    }
    if found_version != Some(API_VERSION) {
        let found = found_version.unwrap_or("none");
        let message = format!("error: unsupported version in {shown}: expected {API_VERSION}, found {found}");
        return Err(CommandError::with_hint(message, "use the same version of the plugin on all machines"));
    }
    parse::json::from_value(value)
        .map_err(|error| CommandError::new(format!("error: invalid file {shown}: {}", error.with_value())))
}

/// Reads an inventory. Its names and reasons are trusted like the user's flags; its knowledge is validated like
/// `--knowledge`.
///
/// # Errors
/// As [`read`], or an entry of its knowledge matches nothing or too much.
pub fn read_inventory(path: &Path) -> Result<Inventory, CommandError> {
    let inventory: Inventory = read(path, "Inventory")?;
    let wrong = |why| CommandError::new(format!("error: {}: knowledge: {why}", path.display()));
    inventory.knowledge.check().map_err(wrong)?;
    Ok(inventory)
}

/// Reads and validates a lock.
///
/// # Errors
/// As [`read`], or an entry is invalid; the error names it.
pub fn read_lock(path: &Path, maps: &[NameMap]) -> Result<Lock, CommandError> {
    let lock = read(path, "Lock")?;
    check_lock(&lock, maps).map_err(|fault| distrusted(path, fault))?;
    Ok(lock)
}

/// Reads and validates a plan.
///
/// # Errors
/// As [`read`], or an entry is invalid; the error names it.
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

/// Writes a value atomically.
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

/// The run that writes an artifact of this kind.
fn writer(kind: &str) -> Option<&'static str> {
    match kind {
        "Inventory" => Some("--no-mirror --no-rewrite --inventory"),
        "Plan" => Some("--dry-run --plan"),
        "Lock" => Some("--no-rewrite --lock"),
        _ => None,
    }
}

impl Artifacts {
    /// Checks before long work that the result can be written.
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
    /// Writes `value` to the file, if there is one.
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

/// Checks before long work that a file can be written.
///
/// # Errors
/// As [`write`], as far as that is possible without content.
fn check(path: &Path) -> Result<(), CommandError> {
    atomic_file::check(path)
        .map_err(|error| CommandError::new(format!("error: writing {}: {error}", path.display())))
}
