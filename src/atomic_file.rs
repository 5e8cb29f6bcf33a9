//! Files that are whole or not there: what is written goes to a file beside the target, which then takes its place.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes `bytes` to `path`: a regular file is replaced as a whole, and keeps its mode. A link is followed. A device,
/// a pipe or a folder is nothing that a file may take the place of, so it is written to.
///
/// # Errors
/// The folder cannot be written to, or the disk is full. A former file is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Ok(found) => replace_file(&path.canonicalize()?, bytes, Some(found.permissions())),
        Err(_) => replace_file(path, bytes, None),
    }
}

/// As [`write`], but a link of this name is replaced, and not followed.
///
/// # Errors
/// As [`write`], or something else than a file or a link has the name.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => replace_file(path, bytes, Some(found.permissions())),
        Ok(found) if !found.is_symlink() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no file has this name"))
        }
        Ok(_) | Err(_) => replace_file(path, bytes, None),
    }
}

/// Finds out early that [`write`] would fail, as far as that can be seen without a byte of content.
///
/// # Errors
/// As [`write`].
pub fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => OpenOptions::new().write(true).open(path).map(drop),
        // Who opens a pipe or a device is heard at its other end.
        Ok(found) if !found.is_file() => Ok(()),
        Ok(_) => part_of(&path.canonicalize()?).map(drop),
        Err(_) => part_of(path).map(drop),
    }
}

fn replace_file(path: &Path, bytes: &[u8], former: Option<Permissions>) -> io::Result<()> {
    // Where anything fails, dropping the part removes it.
    let part = part_of(path)?;
    part.as_file().write_all(bytes)?;
    if let Some(permissions) = former {
        part.as_file().set_permissions(permissions)?;
    }
    part.as_file().sync_all()?;
    part.persist(path).map(drop).map_err(|error| error.error)
}

/// A new file in the folder of `path`, because a file can only be renamed within one file system.
fn part_of(path: &Path) -> io::Result<NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Created as other programs create files: tempfile's own way hides it from all but its owner, and adds the part's
    // path to errors.
    let create = |part: &Path| OpenOptions::new().write(true).create_new(true).open(part);
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

    /// Devices are stood in for by a pipe: a test that failed must not have replaced one of this machine's.
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
    fn modes_are_those_of_former_files_or_of_other_new_ones() {
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
    fn a_failure_leaves_the_former_file_and_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(250));
        fs::write(&long, "former").unwrap();
        // Its part would have a longer name than a file may have.
        write(&long, b"new").unwrap_err();
        assert_eq!(fs::read_to_string(&long).unwrap(), "former");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
