//! This machine's own side fails: files, standard output.

use crate::support::{ecr_tags, own_lab, says, shared_lab, sync, workloads};

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let lab = own_lab();
    let before = workloads(&lab);
    let home = lab.folder().home();
    let absent = home.join("absent/lock.json");
    for (path, reason) in [(absent.as_path(), "No such file"), (home.as_path(), "Is a directory")] {
        let path = path.to_str().unwrap();
        let output = sync(&lab, 2, &["--no-mirror", "--no-rewrite", "--inventory", path]);
        says(&output, &[&format!("error: writing {path}: {reason}")]);
        says(&sync(&lab, 2, &["--lock", path]), &[&format!("error: writing {path}: {reason}")]);
        assert_eq!(workloads(&lab), before, "without its lock nothing is rewritten");
    }
    assert_eq!(home.read_dir().unwrap().filter(is_part).count(), 0, "no part of a file is left");
    sync(&lab, 0, &[]);
}

fn is_part(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
}

#[test]
fn a_full_disk_is_an_error_and_a_reader_that_hangs_up_is_none() {
    let lab = shared_lab();
    let tags = ecr_tags(lab);
    let shell = |script: &str| lab.run("bash", &["-o", "pipefail", "-c", script]).unwrap();
    let full = shell("kubectl castai-privatelink sync-images --dry-run -o json > /dev/full");
    assert_eq!(full.code, Some(2), "{}", full.stderr);
    assert!(full.stderr.contains("writing the result: No space left on device"), "{}", full.stderr);
    let closed = shell("kubectl castai-privatelink sync-images --dry-run -o json | head -c 1");
    assert_eq!((closed.code, closed.stdout.as_str()), (Some(0), "{"), "{}", closed.stderr);
    assert_eq!(closed.stderr, "");
    assert_eq!(ecr_tags(lab), tags);
}
