//! The file of `--report`: the page in a real browser, and the archive.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use lab::address::{self, REFUSING};
use lab::castai::Fault;
use lab::dns::Behaviour;
use serde_json::{Value, json};

use super::vpc::{change, rest_api};
use super::{API, GRPC, KVISOR, TELEMETRY, dns, fault, findings, preflight};
use crate::harness::{assert_stderr_contains, complete_lab, parse_json, plugin};

/// The colour scheme that the user prefers.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    Light,
    Dark,
}

/// What a browser shows of a page in a frame of this width. The page itself has no scripts, so another page that contains
/// the frame inspects it.
fn browse(page: &Path, width: usize, scheme: Scheme) -> Value {
    let folder = page.parent().expect("a folder");
    let name = page.file_name().expect("a name").to_str().expect("text");
    let outer = folder.join("outer.html");
    let text = include_str!("page.html").replace("WIDTH", &width.to_string()).replace("PAGE", name);
    fs::write(&outer, text).expect("a file");
    let preferred = match scheme {
        Scheme::Light => 1,
        Scheme::Dark => 0,
    };
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--allow-file-access-from-files",
        ])
        .args(["--window-size=1500,1000", "--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--blink-settings=preferredColorScheme={preferred}"))
        .arg(format!("--user-data-dir={}", folder.join("browser").display()))
        .arg(format!("file://{}", outer.display()))
        .output()
        .expect("chromium is installed: `scripts/setup.sh tests` installs it");
    let dom = String::from_utf8_lossy(&output.stdout);
    let seen = dom.split_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let seen = seen.unwrap_or_else(|| panic!("{dom}\n{}", String::from_utf8_lossy(&output.stderr))).0;
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {seen}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}

#[test]
fn a_browser_shows_causes_paths_and_findings_at_every_width() {
    let lab = complete_lab();
    change(&lab, &rest_api(), &json!({"private_dns": false}));
    dns(&lab, GRPC, &Behaviour::NameError);
    dns(&lab, KVISOR, &Behaviour::addresses(&[REFUSING]));
    fault(&lab, TELEMETRY, &Fault::Http { status: 404 });
    let output = plugin(&lab, 1, &["preflight", "-o", "json", "--report=report.html", "--ignore=CPL241"]);
    assert_stderr_contains(&output, &["report written to report.html"]);
    let report = parse_json(&output);
    let page = lab.folder().home().join("report.html");
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);

    let hosts: std::collections::BTreeSet<_> = findings(&report)
        .iter()
        .filter(|finding| finding["code"] == "CPL210" || finding["code"] == "CPL310")
        .map(|finding| finding["subject"]["name"].as_str().unwrap())
        .collect();
    for (width, scheme) in
        [(360, Scheme::Light), (360, Scheme::Dark), (760, Scheme::Dark), (1400, Scheme::Light)]
    {
        let seen = browse(&page, width, scheme);
        let context = format!("{width} {scheme:?}: {seen:#}");
        assert_eq!(
            seen["title"], "Preflight report of arn:aws:eks:us-east-1:account-1:cluster/demo",
            "{context}"
        );
        assert_eq!(
            texts(&seen["headings"]),
            [
                "3 causes, with fixes",
                "Ignored",
                "Paths to Cast AI and AWS",
                "All findings",
                "What was not looked at"
            ],
            "{context}"
        );
        let verdict = seen["verdict"].as_str().unwrap();
        assert!(verdict.starts_with("Not ready for PrivateLink: grpc.cast.ai (CPL210), "), "{context}");
        let causes = texts(&seen["causes"]);
        assert_eq!(causes.len(), 3, "{context}");
        for cause in ["Fail grpc.cast.ai", "Fail rest-api", "Fail kvisor.prod-master.cast.ai"] {
            assert!(causes.contains(&cause), "{context}");
        }
        assert!(
            texts(&seen["commands"]).contains(&"kubectl castai-privatelink endpoints create"),
            "{context}"
        );
        assert_eq!(
            (&seen["paths"], &seen["drawings"]),
            (&json!(hosts.len()), &json!(hosts.len())),
            "{context}"
        );
        let labels = texts(&seen["labels"]);
        assert!(
            labels.contains(
                &"From this machine to grpc.cast.ai: DNS Fail, private Skipped, TCP Skipped, TLS Skipped, response Ignored"
            ),
            "{context}"
        );
        assert_eq!(seen["rows"], findings(&report).len(), "{context}");
        // It works offline, and everything fits.
        assert_eq!((&seen["resources"], &seen["scripts"]), (&json!(0), &json!(0)), "{context}");
        assert_eq!((&seen["overflow"], &seen["outside"]), (&json!(0), &json!([])), "{context}");
        assert!(seen["smallest"].as_f64().unwrap() >= 10.5, "text in drawings is readable: {context}");
        assert!(seen["contrast"].as_f64().unwrap() >= 4.5, "text differs from its background: {context}");
        let is_dark = seen["lightness"].as_f64().unwrap() < 0.5;
        assert_eq!(is_dark, matches!(scheme, Scheme::Dark), "{context}");
    }
    let text = fs::read_to_string(&page).unwrap();
    assert!(!text.contains(address::ACCOUNT) && text.contains("account-1.dkr.ecr.us-east-1.amazonaws.com"));
    assert!(output.stdout.contains(address::ACCOUNT), "what is printed is not redacted");
}

#[test]
fn the_archive_contains_everything_and_files_of_others_stay() {
    let lab = complete_lab();
    dns(&lab, API, &Behaviour::public());
    let home = lab.folder().home();
    let report = preflight(&lab, 1, &["--report=r.tar.gz"]);
    let unpacked =
        Command::new("tar").arg("xzf").arg(home.join("r.tar.gz")).current_dir(&home).output().unwrap();
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    let folder = home.join("preflight-report");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let document: Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(findings(&document).len(), findings(&report).len());
    assert_eq!(fs::read_dir(folder.join("evidence")).unwrap().count(), findings(&report).len());
    assert!(read("report.txt").contains("\nFail CPL211 api.cast.ai\n"));
    assert!(read("report.html").contains("<svg "));
    for name in ["report.json", "report.txt", "report.html"] {
        assert!(!read(name).contains(address::ACCOUNT), "{name}");
    }
    preflight(&lab, 1, &["--report=r.tgz", "--no-redact"]);
    assert!(
        Command::new("tar").arg("xzf").arg(home.join("r.tgz")).current_dir(&home).status().unwrap().success()
    );
    assert!(read("report.json").contains(address::ACCOUNT));

    // An error is in the file too.
    plugin(&lab, 2, &["preflight", "--context=absent", "--report=e.html"]);
    assert!(
        fs::read_to_string(home.join("e.html"))
            .unwrap()
            .contains("context &quot;absent&quot; does not exist")
    );

    fs::write(home.join("target"), "former").unwrap();
    symlink(home.join("target"), home.join("link.html")).unwrap();
    fs::create_dir(home.join("folder.html")).unwrap();
    for (file, message) in [
        ("link.html", "it exists and is not a regular file"),
        ("folder.html", "it exists and is not a regular file"),
        ("absent/x.html", "No such file or directory"),
        ("-", "expected a file name that ends in .html or .tar.gz"),
        ("x.txt", "expected a file name that ends in .html or .tar.gz"),
    ] {
        let output = plugin(&lab, 2, &["preflight", &format!("--report={file}")]);
        assert_stderr_contains(&output, &[message]);
        assert_eq!(output.stdout, "", "nothing was checked");
    }
    assert_eq!(fs::read_to_string(home.join("target")).unwrap(), "former");
    assert_stderr_contains(&plugin(&lab, 2, &["preflight", "--no-redact"]), &["--report"]);
}
