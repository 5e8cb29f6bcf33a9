//! The lab itself: it starts, serves, keeps its network private, and leaves nothing behind.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::address;
use lab::host::Lab;
use lab::settings::{Fixture, Settings};

const LIMIT: Duration = Duration::from_mins(1);

fn start(fixture: Fixture) -> Lab {
    Lab::start(&Settings { fixture, ..Settings::default() }).unwrap()
}

/// Whether any process on this machine was started for the lab in `folder`.
fn has_processes(folder: &Path) -> bool {
    let name = folder.to_string_lossy();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*name))
    })
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_labs_run_concurrently_and_leave_nothing_behind() {
    let (first, second) = (start(Fixture::FirstCluster), start(Fixture::Empty));
    let has_castai = |lab: &Lab| lab.kubectl(&["get", "namespace", "castai-agent"]).unwrap().code == Some(0);
    assert!(has_castai(&first));
    assert!(!has_castai(&second));
    assert_eq!(second.control().get::<Settings>("/settings").unwrap().fixture, Fixture::Empty);

    let folders: Vec<PathBuf> = [&first, &second].map(|lab| lab.folder().path().to_owned()).into();
    drop((first, second));
    for folder in folders {
        assert!(!folder.exists(), "{}", folder.display());
        assert!(!has_processes(&folder), "{}", folder.display());
    }
}

#[test]
fn nothing_survives_a_lab_program_that_is_killed() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["up", "--fixture", "empty"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(program.stderr.take().unwrap());
    let line = output.lines().map_while(Result::ok).find(|line| line.contains("enter it with")).unwrap();
    let script = PathBuf::from(line.split_whitespace().find(|word| word.ends_with("/enter")).unwrap());
    let folder = script.parent().unwrap().to_owned();
    let mut forgotten = Command::new(&script).args(["sleep", "1000"]).spawn().unwrap();
    assert!(has_processes(&folder));

    program.kill().unwrap();
    program.wait().unwrap();
    forgotten.wait().unwrap();
    eventually("the folder is removed", || !folder.exists());
    eventually("the processes are gone", || !has_processes(&folder));
}

#[test]
fn an_address_is_silent_unless_the_lab_listens_or_refuses() {
    let lab = start(Fixture::Empty);
    let code = |address: std::net::Ipv4Addr| {
        let connect = format!("exec 3<>/dev/tcp/{address}/443");
        lab.run("timeout", &["2", "bash", "-c", &connect]).unwrap().code
    };
    assert_eq!(code(address::API_SERVER), Some(0));
    assert_eq!(code(address::REFUSING), Some(1));
    // `timeout` exits with 124 if it had to stop the command.
    for silent in [address::SILENT, address::CASTAI_PUBLIC] {
        assert_eq!(code(silent), Some(124), "{silent}");
    }
}

#[test]
fn a_user_without_rights_is_forbidden() {
    let lab = start(Fixture::Empty);
    let kubeconfig = lab.kubeconfig_for("reader", Some("readers")).unwrap();
    let mut command = lab.command("kubectl");
    let output = command.env("KUBECONFIG", kubeconfig).args(["get", "pods", "-A"]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains(r#"User "reader" cannot list resource "pods""#), "{words}");
}

#[test]
fn a_command_runs_in_the_labs_environment_and_not_in_the_callers() {
    let lab = start(Fixture::Empty);
    let environment = lab.run("env", &[]).unwrap().stdout;
    assert!(environment.contains("SSL_CERT_FILE="), "{environment}");
    assert!(!environment.contains("CARGO"), "{environment}");
    assert!(!environment.contains("AWS_REGION"), "{environment}");
    assert_eq!(lab.run("bash", &["-c", "exit 7"]).unwrap().code, Some(7));
}
