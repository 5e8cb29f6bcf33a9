//! Atomic writes: content goes to a temporary file next to the target, which is then renamed to it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes `bytes` to `path`. A regular file is replaced as a whole and keeps its mode; a link is followed. A device,
/// pipe or folder cannot be replaced by a file, so it is written to directly.
///
/// # Errors
/// The folder cannot be written to, or the disk is full. An existing file is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Ok(found) => replace_file(&path.canonicalize()?, bytes, Some(found.permissions())),
        Err(_) => replace_file(path, bytes, None),
    }
}

/// As [`write`], but a link at `path` is replaced instead of followed.
///
/// # Errors
/// As [`write`], or `path` is neither a file nor a link.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => replace_file(path, bytes, Some(found.permissions())),
        Ok(found) if !found.is_symlink() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is not a regular file"))
        }
        Ok(_) | Err(_) => replace_file(path, bytes, None),
    }
}

/// Writes a file that only its owner may read. A regular file is replaced as a whole, also its mode.
///
/// # Errors
/// As [`write`], or `path` exists and is not a regular file.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    refuse_others(path)?;
    let part = private_part_of(path)?;
    part.as_file().write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(path).map(drop).map_err(|error| error.error)
}

/// Detects early that [`write_private`] would fail, as far as that is possible without content.
///
/// # Errors
/// As [`write_private`].
pub fn check_private(path: &Path) -> io::Result<()> {
    refuse_others(path)?;
    private_part_of(path).map(drop)
}

/// A link is refused too: its target is not what the user names.
fn refuse_others(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is not a regular file"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Detects early that [`write`] would fail, as far as that is possible without content.
///
/// # Errors
/// As [`write`].
pub fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => OpenOptions::new().write(true).open(path).map(drop),
        // Opening a pipe or device would be noticed by its reader.
        Ok(found) if !found.is_file() => Ok(()),
        Ok(_) => part_of(&path.canonicalize()?).map(drop),
        Err(_) => part_of(path).map(drop),
    }
}

fn replace_file(path: &Path, bytes: &[u8], former: Option<Permissions>) -> io::Result<()> {
    // On any failure, dropping the temporary file removes it.
    let part = part_of(path)?;
    part.as_file().write_all(bytes)?;
    if let Some(permissions) = former {
        part.as_file().set_permissions(permissions)?;
    }
    part.as_file().sync_all()?;
    part.persist(path).map(drop).map_err(|error| error.error)
}

/// A new file with the permissions of new files.
fn part_of(path: &Path) -> io::Result<NamedTempFile> {
    part(path, OpenOptions::new().write(true).create_new(true))
}

/// A new file that only its owner may read.
fn private_part_of(path: &Path) -> io::Result<NamedTempFile> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    part(path, &options)
}

/// A new file in the folder of `path`, because renaming works only within one file system.
fn part(path: &Path, options: &OpenOptions) -> io::Result<NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Created by us, because tempfile would add its own path to errors.
    let create = |part: &Path| options.open(part);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part").make_in(folder.unwrap_or(Path::new(".")), create)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn is_link(path: &Path) -> bool {
        fs::symlink_metadata(path).unwrap().is_symlink()
    }

    /// A pipe stands for devices: a failing test must not replace a device of the machine.
    #[test]
    fn only_regular_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&file, "former").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"1\n").unwrap();
        assert!(is_link(&link));
        assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");

        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write(&pipe, b"2\n").unwrap();
        assert_eq!(reader.join().unwrap(), "2\n");
        for other in [pipe.as_path(), folder.path()] {
            replace(other, b"3\n").unwrap_err();
            assert!(!fs::metadata(other).unwrap().is_file());
        }

        let absent = folder.path().join("absent/file");
        for refused in [write(folder.path(), b""), check(folder.path()), check(&absent), write(&absent, b"")]
        {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("irectory") && !error.contains(".part"), "{error}");
        }
        for fine in [&file, &link, &pipe, &folder.path().join("new")] {
            check(fine).unwrap();
        }
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 3, "nothing else is left");
    }

    #[test]
    fn a_link_is_followed_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, dangling) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("dangling"));
        fs::write(&file, "former").unwrap();
        symlink(&file, &link).unwrap();
        symlink(folder.path().join("absent"), &dangling).unwrap();
        for replaced in [&link, &dangling] {
            replace(replaced, b"new").unwrap();
            assert!(!is_link(replaced));
            assert_eq!(fs::read_to_string(replaced).unwrap(), "new");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "former");
    }

    #[test]
    fn modes_are_preserved_or_those_of_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, new) = (folder.path().join("plain"), folder.path().join("new"));
        fs::write(&plain, "").unwrap();
        for write in [write, replace] {
            write(&new, b"1").unwrap();
            assert_eq!(mode(&new), mode(&plain), "as the umask has it");
            for former in [0o600, 0o640, 0o755] {
                fs::set_permissions(&new, Permissions::from_mode(former)).unwrap();
                write(&new, b"2").unwrap();
                assert_eq!(mode(&new), former);
            }
            fs::remove_file(&new).unwrap();
        }
    }

    #[test]
    fn a_private_file_replaces_only_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, sub] = ["file", "link", "folder"].map(|name| folder.path().join(name));
        fs::write(&file, "former").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        symlink(&file, &link).unwrap();
        fs::create_dir(&sub).unwrap();
        for refused in [&link, &sub] {
            for error in [write_private(refused, b"new"), check_private(refused)] {
                assert!(error.unwrap_err().to_string().contains("not a regular file"));
            }
        }
        check_private(&folder.path().join("absent/file")).unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "former");
        for path in [&file, &folder.path().join("new")] {
            check_private(path).unwrap();
            write_private(path, b"new").unwrap();
            assert_eq!((fs::read_to_string(path).unwrap().as_str(), mode(path)), ("new", 0o600));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "no temporary file is left");
    }

    #[test]
    fn a_failed_write_keeps_the_existing_file_and_removes_the_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(250));
        fs::write(&long, "former").unwrap();
        // The temporary file would have a longer name than file systems allow.
        write(&long, b"new").unwrap_err();
        assert_eq!(fs::read_to_string(&long).unwrap(), "former");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
