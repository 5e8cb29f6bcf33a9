//! Files in the folder in which the plugin runs.

use std::path::PathBuf;

use lab::host::Lab;
use serde_json::Value;

/// Writes a file, with the folders above it, and returns its path.
#[track_caller]
pub(crate) fn write_file(lab: &Lab, name: &str, content: &str) -> PathBuf {
    let path = lab.folder().home().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the file");
    std::fs::write(&path, content).expect("the file is written");
    path
}

/// Reads a file that the plugin wrote.
#[track_caller]
pub(crate) fn read_json_file(lab: &Lab, name: &str) -> Value {
    let bytes = std::fs::read(lab.folder().home().join(name)).expect("the file exists");
    serde_json::from_slice(&bytes).expect("the file is JSON")
}
