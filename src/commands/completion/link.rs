//! The link that kubectl looks for (kubectl `pkg/cmd/plugin/plugin_completion.go`); krew cannot create it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::candidates::LINK;
use crate::commands::{CommandError, ExitStatus};
use crate::output;

/// What exists at the path of the link.
enum Found {
    Nothing,
    Ours,
    Other,
}

/// Creates the link next to the file by which kubectl finds this program.
pub(super) fn install(dry_run: bool) -> Result<ExitStatus, CommandError> {
    let program = program()?;
    let link = link_beside(&program);
    let (shown, target) = (link.display(), program.file_name().unwrap_or_default());
    match found(&link, target)? {
        Found::Ours => {
            output::result(&format!("{shown} unchanged\n"))?;
        }
        Found::Other => {
            return Err(CommandError::with_hint(
                format!("error: {shown} exists and is not the link of this plugin"),
                "remove it first",
            ));
        }
        Found::Nothing if dry_run => {
            output::result(&format!("{shown} created (dry run)\n"))?;
        }
        Found::Nothing => {
            make(target, &link, &program)?;
            output::result(&format!("{shown} created\n"))?;
        }
    }
    let is_on_path = env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| Some(folder.as_path()) == link.parent()));
    if !is_on_path {
        output::warning("kubectl finds the link only if its directory is on the PATH");
    }
    Ok(ExitStatus::Done)
}

/// Removes the link, but no other file of that name.
pub(super) fn uninstall(dry_run: bool) -> Result<ExitStatus, CommandError> {
    let program = program()?;
    let link = link_beside(&program);
    let shown = link.display();
    match found(&link, program.file_name().unwrap_or_default())? {
        Found::Nothing => output::result(&format!("{shown} not found\n"))?,
        Found::Other => {
            return Err(CommandError::new(format!(
                "error: {shown} is not the link of this plugin: not removed"
            )));
        }
        Found::Ours if dry_run => output::result(&format!("{shown} removed (dry run)\n"))?,
        Found::Ours => {
            fs::remove_file(&link).map_err(|error| cannot("remove", &link, &error))?;
            output::result(&format!("{shown} removed\n"))?;
        }
    }
    Ok(ExitStatus::Done)
}

/// This program by the path that kubectl uses. With krew that is a link which survives upgrades, while the running file
/// is in the folder of this version.
fn program() -> Result<PathBuf, CommandError> {
    let running = env::current_exe().map_err(|error| {
        CommandError::new(format!("error: cannot find the path of this program: {error}"))
    })?;
    let called = PathBuf::from(env::args_os().next().unwrap_or_default());
    let mut candidates = Vec::new();
    if called.components().count() > 1 {
        candidates.extend(std::path::absolute(&called));
    } else if let Some(path) = env::var_os("PATH") {
        candidates.extend(env::split_paths(&path).map(|folder| folder.join(&called)));
    }
    let is_this = |path: &PathBuf| is_same_file(path, &running);
    Ok(candidates.into_iter().find(is_this).unwrap_or(running))
}

fn is_same_file(left: &Path, right: &Path) -> bool {
    match (left.canonicalize(), right.canonicalize()) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}

fn link_beside(program: &Path) -> PathBuf {
    program.with_file_name(format!("{LINK}{}", env::consts::EXE_SUFFIX))
}

fn found(link: &Path, target: &OsStr) -> Result<Found, CommandError> {
    match fs::symlink_metadata(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(cannot("look at", link, &error)),
        Ok(metadata) if metadata.is_symlink() && fs::read_link(link).is_ok_and(|read| read == target) => {
            Ok(Found::Ours)
        }
        Ok(_) => Ok(Found::Other),
    }
}

#[cfg(unix)]
fn make(target: &OsStr, link: &Path, _program: &Path) -> Result<(), CommandError> {
    std::os::unix::fs::symlink(target, link).map_err(|error| cannot("make", link, &error))
}

/// On Windows, only administrators may create links.
#[cfg(not(unix))]
fn make(_target: &OsStr, link: &Path, program: &Path) -> Result<(), CommandError> {
    Err(CommandError::with_hint(
        "error: links are not supported on this system: copy the program instead, after each upgrade",
        format!("copy \"{}\" \"{}\"", program.display(), link.display()),
    ))
}

fn cannot(verb: &str, link: &Path, error: &io::Error) -> CommandError {
    let message = format!("error: cannot {verb} {}: {error}", link.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            CommandError::with_hint(message, "run this again as a user who can write to that directory")
        }
        _ => CommandError::new(message),
    }
}
