//! This machine fails: files, standard output.

use super::assert_rewritten;
use crate::harness::{
    assert_stderr_contains, clear_traffic, complete_lab, ecr_tags, own_lab, shared_lab, sync, uploaded_blobs,
    workload_specs,
};

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let home = lab.folder().home();
    let absent = home.join("absent/lock.json");
    for (path, reason) in [(absent.as_path(), "No such file"), (home.as_path(), "Is a directory")] {
        let path = path.to_str().unwrap();
        let output = sync(&lab, 2, &["--no-mirror", "--no-rewrite", "--inventory", path]);
        assert_stderr_contains(&output, &[&format!("error: writing {path}: {reason}")]);
        assert_stderr_contains(
            &sync(&lab, 2, &["--lock", path]),
            &[&format!("error: writing {path}: {reason}")],
        );
        assert_eq!(workload_specs(&lab), before, "nothing is rewritten without its lock");
    }
    assert_eq!(home.read_dir().unwrap().filter(is_part).count(), 0, "no partial file is left");
    sync(&lab, 0, &[]);
}

#[test]
fn a_full_or_read_only_disk_loses_only_the_lock() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let place = lab.folder().home().join("disk");
    std::fs::create_dir(&place).unwrap();
    let place = place.to_str().unwrap();
    let lock = format!("{place}/lock.json");
    let mount = |options: &str| {
        let output = lab.run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", place]).unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    };
    let unmount = || assert_eq!(lab.run("umount", &[place]).unwrap().code, Some(0));

    // Files are checked before anything is copied.
    let tags = ecr_tags(&lab);
    mount("ro");
    assert_stderr_contains(
        &sync(&lab, 2, &["--lock", &lock]),
        &[&format!("error: writing {lock}: Read-only file system")],
    );
    unmount();
    assert_stderr_contains(
        &sync(&lab, 2, &["--lock", place]),
        &[&format!("error: writing {place}: Is a directory")],
    );
    assert_eq!(ecr_tags(&lab), tags);

    mount("size=4k,nr_inodes=10");
    let filled = lab.run("dd", &["if=/dev/zero", &format!("of={place}/filler"), "bs=4k", "count=1"]).unwrap();
    assert_eq!(filled.code, Some(0), "{}", filled.stderr);
    for full in [lock.as_str(), "/dev/full"] {
        let output = sync(&lab, 2, &["--lock", full]);
        assert_stderr_contains(&output, &[&format!("error: writing {full}: No space left on device")]);
        assert_eq!(workload_specs(&lab), before, "nothing is rewritten without its lock");
    }
    let left = lab.run("ls", &[place]).unwrap();
    assert_eq!(left.stdout, "filler\n", "no partial file is left");
    unmount();
    // Copied images are kept.
    clear_traffic(&lab);
    sync(&lab, 0, &["--lock", &lock]);
    assert_eq!(uploaded_blobs(&lab), []);
    assert_rewritten(&before, &lab, &super::ALL);
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&lock).unwrap()).unwrap();
    assert_eq!(written["destinations"][0]["images"].as_array().unwrap().len(), 5);
}

fn is_part(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_not() {
    let lab = shared_lab();
    let tags = ecr_tags(lab);
    let shell = |script: &str| lab.run("bash", &["-o", "pipefail", "-c", script]).unwrap();
    let full = shell("kubectl castai-privatelink sync-images --dry-run -o json > /dev/full");
    assert_eq!(full.code, Some(2), "{}", full.stderr);
    assert!(full.stderr.contains("writing the result: No space left on device"), "{}", full.stderr);
    let closed = shell("kubectl castai-privatelink sync-images --dry-run -o json | head -c 1");
    assert_eq!((closed.code, closed.stdout.as_str()), (Some(0), "{"), "{}", closed.stderr);
    assert_eq!(closed.stderr, "");
    for command in ["sync-images --dry-run", "preflight", "sync-images --no-mirror --no-rewrite", "--help"] {
        // The exit code of each writer, with a reader that reads one line.
        let line = format!("kubectl castai-privatelink {command} 2>&1 | head -1; echo ${{PIPESTATUS[0]}}");
        let closed = shell(&line);
        let lines: Vec<_> = closed.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{command}: {}", closed.stdout);
        assert_eq!(lines[1], "0", "{command}: {}", closed.stdout);
        assert!(!closed.stdout.contains("panicked"), "{command}: {}", closed.stdout);
    }
    assert_eq!(ecr_tags(lab), tags);
}

/// The output of `command` on a terminal of this width, without colour and including intermediate progress bars.
fn on_terminal(lab: &lab::host::Lab, columns: u16, command: &str) -> lab::host::Output {
    let command = format!("stty cols {columns} rows 50; kubectl castai-privatelink {command}");
    let command = ["--quiet", "--return", "--command", &command, "/dev/null"];
    let mut script = lab.command("env");
    let output = script.args(["TERM=xterm", "NO_COLOR=1", "script"]).args(command).output().unwrap();
    lab::host::Output::from(output)
}

#[test]
fn a_terminal_of_40_columns_is_readable_and_a_pipe_is_not_truncated() {
    let lab = complete_lab();
    let agent = "us-docker.pkg.dev/castai-hub/library/agent:v0.161.1";
    let dry = on_terminal(&lab, 40, "sync-images --dry-run");
    assert_eq!(dry.code, Some(0), "{}", dry.stdout);
    let table: Vec<&str> = lines_of(&dry.stdout);
    assert!(!dry.stdout.contains('…'), "names are wrapped and never truncated: {}", dry.stdout);
    assert!(dry.stdout.contains("result: image updated"), "{}", dry.stdout);
    // Names in lines of their own, and commands to paste, are left to the terminal.
    let kept = ["registry: ", "kubectl "];
    let is_row = |line: &&&str| {
        line.trim().contains(' ') && !kept.iter().any(|start| line.trim_start().starts_with(start))
    };
    let too_long: Vec<_> = table.iter().filter(is_row).filter(|line| line.chars().count() > 40).collect();
    assert!(too_long.is_empty(), "{too_long:#?}");

    let preflight = on_terminal(&lab, 40, "preflight --in-cluster=off");
    assert_eq!(preflight.code, Some(0), "{}", preflight.stdout);
    let lines = lines_of(&preflight.stdout);
    let commands = |line: &&&str| !line.trim_start().starts_with("aws ");
    assert!(lines.iter().filter(commands).all(|line| line.chars().count() <= 40), "{lines:#?}");
    let host = lines.iter().position(|line| *line == "api.cast.ai").unwrap();
    assert!(lines[host + 1].starts_with("  DNS Pass, PRIVATE Pass"), "{lines:#?}");

    let real = on_terminal(&lab, 40, "sync-images --yes");
    assert_eq!(real.code, Some(0), "{}", real.stdout);
    // Progress bars fit too.
    let drawn = real.stdout.split(['\r', '\n', '\u{1b}']).map(|piece| {
        let piece = piece.strip_prefix('[').unwrap_or(piece);
        piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or_default()
    });
    for piece in drawn.filter(|piece| piece.contains('%')) {
        // A progress bar that fills its line is followed by the next one without a line break.
        let characters: Vec<char> = piece.trim_end().chars().collect();
        for line in characters.chunks(40) {
            assert!(line.iter().filter(|c| **c == '%').count() <= 1, "one progress bar per line: {piece:?}");
        }
    }

    let piped = sync(&lab, 0, &["-o", "wide"]).stdout;
    assert!(piped.lines().any(|line| line.starts_with(agent)), "{piped}");
    let piped = crate::harness::plugin(&lab, 0, &["preflight"]).stdout;
    assert!(!piped.contains('…'), "{piped}");
}

/// The final content of each line on a terminal: the text after the last carriage return.
fn lines_of(text: &str) -> Vec<&str> {
    fn last_drawn(line: &str) -> &str {
        let line = line.trim_end_matches('\r');
        line.rsplit(['\r', '\u{1b}']).next().map_or("", |last| last.strip_prefix("[2K").unwrap_or(last))
    }
    let shown = text.lines().map(last_drawn);
    shown.map(|line| line.strip_prefix("[1B").unwrap_or(line)).collect()
}
