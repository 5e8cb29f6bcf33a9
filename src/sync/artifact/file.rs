//! The files that machines hand to each other: inventory, plan and lock as JSON.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Fault, check_lock, check_plan};
use crate::castai::knowledge::Knowledge;
use crate::error::CommandError;
use crate::model::inventory::{API_VERSION, Inventory};
use crate::model::lock::Lock;
use crate::model::plan::Plan;
use crate::parse;
use crate::sync::plan::assignment::NameMap;
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
                CommandError::with_hint(message, format!("it is written by: sync-images {flags} {shown}"))
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
        let found = found_kind.unwrap_or("nothing that this plugin wrote");
        return Err(CommandError::new(format!(
            "error: {shown} holds {found}, not the {kind} that is wanted here"
        )));
    }
    if found_version != Some(API_VERSION) {
        let found = found_version.map_or_else(|| "no version".to_owned(), |found| format!("version {found}"));
        let message = format!("error: {shown} has {found}, and this plugin reads version {API_VERSION}");
        return Err(CommandError::with_hint(message, "use the same version of the plugin on all machines"));
    }
    serde_json::from_value(value)
        .map_err(|error| CommandError::new(format!("error: {shown} is damaged: {error}")))
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

fn distrusted(path: &Path, fault: Fault) -> CommandError {
    let message = format!("error: {}: {fault}", path.display());
    let hint =
        fault.hint.unwrap_or_else(|| "make the file again, with this version and the same flags".to_owned());
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
        match std::fs::metadata(path) {
            // A device, a pipe or a folder is nothing that a file may take the place of.
            Ok(found) if !found.is_file() => {
                let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
                file.write_all(text.as_bytes())
            }
            // Where a link leads to is replaced, and not the link.
            Ok(_) => replace(&path.canonicalize()?, &text),
            Err(_) => replace(path, &text),
        }
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
    let attempt = || -> std::io::Result<()> {
        let path = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return std::fs::OpenOptions::new().write(true).open(path).map(drop);
            }
            // Who opens a pipe or a device is heard at its other end.
            Ok(found) if !found.is_file() => return Ok(()),
            Ok(_) => path.canonicalize()?,
            Err(_) => path.to_owned(),
        };
        let part = part(&path);
        std::fs::File::create(&part)?;
        std::fs::remove_file(part)
    };
    attempt().map_err(|error| CommandError::new(format!("error: writing {}: {error}", path.display())))
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let part = part(path);
    let written = std::fs::File::create(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    });
    if written.is_err() {
        // What is left of it helps nobody.
        let _ = std::fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices are stood in for by a pipe: a test that failed must not have replaced one of this machine's.
    #[test]
    fn only_regular_files_are_replaced() {
        let folder = std::env::temp_dir().join(format!("handed-over-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, link, pipe) = (folder.join("file"), folder.join("link"), folder.join("pipe"));
        std::fs::write(&file, "former").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, &1).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "1\n");

        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read_to_string(pipe).unwrap()
        });
        write(&pipe, &2).unwrap();
        assert_eq!(reader.join().unwrap(), "2\n");
        assert!(!std::fs::metadata(&pipe).unwrap().is_file());

        for refused in [write(&folder, &3), check(&folder), check(&folder.join("absent/file"))] {
            assert!(refused.unwrap_err().message.contains("irectory"));
        }
        for fine in [&file, &link, &pipe, &folder.join("new")] {
            check(fine).unwrap();
        }
        let names = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 3, "nothing else is left");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
