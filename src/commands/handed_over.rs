//! The files that machines hand to each other: inventory, plan and lock as JSON.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Stop;
use crate::sync::inventory::API_VERSION;

/// Reads a value of the given kind.
///
/// # Errors
/// The file cannot be read, is of another kind or version, or is damaged.
pub(super) fn read<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T, Stop> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Stop::new(format!("error: reading {shown}: {error}")))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Stop::new(format!("error: {shown} is not JSON: {error}")))?;
    let (found_kind, found_version) = (value["kind"].as_str(), value["apiVersion"].as_str());
    if found_kind != Some(kind) {
        let found = found_kind.unwrap_or("nothing that this plugin wrote");
        return Err(Stop::new(format!("error: {shown} holds {found}, not the {kind} that is wanted here")));
    }
    if found_version != Some(API_VERSION) {
        let found = found_version.unwrap_or("no version");
        let message = format!("error: {shown} has version {found}, and this plugin reads {API_VERSION}");
        return Err(Stop::with_hint(message, "use the same version of the plugin on all machines"));
    }
    serde_json::from_value(value).map_err(|error| Stop::new(format!("error: {shown} is damaged: {error}")))
}

/// Writes a value so that the file is either the former one or the whole new one, whatever happens.
///
/// # Errors
/// The folder cannot be written to, or the disk is full.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<(), Stop> {
    let attempt = || -> std::io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let written = std::fs::File::create(&part).and_then(|mut file| {
            file.write_all(serde_json::to_string_pretty(value)?.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&part, path)
        });
        if written.is_err() {
            // What is left of it helps nobody.
            let _ = std::fs::remove_file(&part);
        }
        written
    };
    attempt().map_err(|error| Stop::new(format!("error: writing {}: {error}", path.display())))
}
