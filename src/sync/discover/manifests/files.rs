//! The texts of manifests: files, directories, or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Error;
use crate::parse::encoding;

/// Extensions of files that kubectl reads in a directory.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The text of one file or of standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As given, or below the given directory; `-` for standard input.
    pub path: String,
    pub text: String,
}

/// Reads `-`, a file, or a directory recursively, in kubectl's order.
///
/// # Errors
/// A file cannot be read, or is neither UTF-8 nor UTF-16 with a byte order mark.
pub fn texts(path: &str) -> Result<Vec<Text>, Error> {
    let failed = |path: &str| {
        let path = path.to_owned();
        move |error: std::io::Error| Error::Read { path, error: error.to_string() }
    };
    let text = |path: &str, bytes: Vec<u8>| match encoding::decode(bytes) {
        Ok(text) => Ok(Text { path: path.to_owned(), text }),
        Err(error) => Err(Error::NotText { path: path.to_owned(), error }),
    };
    if path == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed(path))?;
        return Ok(vec![text(path, bytes)?]);
    }
    let mut files = Vec::new();
    let metadata = std::fs::metadata(path).map_err(failed(path))?;
    if metadata.is_dir() {
        walk(Path::new(path), &mut files).map_err(failed(path))?;
        if files.is_empty() {
            return Err(Error::Empty { path: path.to_owned() });
        }
    } else {
        files.push(PathBuf::from(path));
    }
    let read = |file: PathBuf| {
        let name = file.display().to_string();
        text(&name, std::fs::read(&file).map_err(failed(&name))?)
    };
    files.into_iter().map(read).collect()
}

/// Does not follow links to directories, so that it always terminates.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if path.is_file()
            && path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
        {
            files.push(path);
        }
    }
    Ok(())
}
