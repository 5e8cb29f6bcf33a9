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
    if path.starts_with("https://") || path.starts_with("http://") {
        return Err(Error::Url { url: path.to_owned() });
    }
    let mut all = Vec::new();
    for path in expanded(path) {
        all.extend(texts_of(&path)?);
    }
    Ok(all)
}

/// The paths of an argument that names several, as in kubectl: separated by commas, or by a pattern for the files of a
/// folder. A file of exactly that name comes first.
fn expanded(argument: &str) -> Vec<String> {
    if argument == "-" || Path::new(argument).exists() {
        return vec![argument.to_owned()];
    }
    argument.split(',').flat_map(|path| matching(path).unwrap_or_else(|| vec![path.to_owned()])).collect()
}

/// The files that a pattern matches; `None` if it is a path, or matches nothing.
fn matching(pattern: &str) -> Option<Vec<String>> {
    if !pattern.contains(['*', '?', '[']) || Path::new(pattern).exists() {
        return None;
    }
    let (folder, name) = pattern.rsplit_once('/').map_or(("", pattern), |(folder, name)| (folder, name));
    let glob = globset::Glob::new(name).ok()?.compile_matcher();
    let entries = std::fs::read_dir(if folder.is_empty() { "." } else { folder }).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_match = |name: &String| glob.is_match(name) && !name.starts_with('.');
    let mut paths: Vec<_> = names
        .filter(is_match)
        .map(|name| if folder.is_empty() { name } else { format!("{folder}/{name}") })
        .collect();
    paths.sort();
    (!paths.is_empty()).then_some(paths)
}

/// Reads one path.
fn texts_of(path: &str) -> Result<Vec<Text>, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_may_name_several_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a.yaml", "b.yaml", "c,d.yaml"] {
            std::fs::write(path(name), "kind: A").unwrap();
        }
        let read = |argument: &str| {
            texts(argument).map(|all| all.into_iter().map(|text| text.path).collect::<Vec<_>>())
        };
        let (a, b, comma) = (path("a.yaml"), path("b.yaml"), path("c,d.yaml"));
        assert_eq!(read(&format!("{b},{a}")).unwrap(), [b.clone(), a.clone()]);
        assert_eq!(read(&path("?.yaml")).unwrap(), [a.clone(), b]);
        assert_eq!(read(&comma).unwrap(), [comma]);
        assert!(read(&format!("{a},{}", path("e.yaml"))).unwrap_err().to_string().contains("e.yaml"));
        assert!(read(&path("x*.yaml")).unwrap_err().to_string().contains("x*.yaml"));
        let url = read("https://example.com/x.yaml").unwrap_err().to_string();
        assert_eq!(url, "https://example.com/x.yaml is a URL, and only files are read");
    }
}
