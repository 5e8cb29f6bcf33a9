//! Tests with the real Helm 3 and Helm 4: how upgrades change rewritten images, and that values persist the rewrite.

mod measured;
mod persist;
mod post_renderer;

use std::path::{Path, PathBuf};

use lab::host::{Lab, Output};
use lab::registry::image::Recipe;
use serde_json::Value;

use crate::harness::{MIRROR, QUICK, empty_lab, kubectl_json, publish};

const NAMESPACE: &str = "castai-agent";

/// One version of Helm, and a lab in which only this version installs.
struct Helm {
    lab: Lab,
    program: &'static str,
}

impl Helm {
    /// A lab without Cast AI, and the images of the charts at their sources.
    fn new(program: &'static str, images: &[&str]) -> Self {
        let lab = empty_lab();
        for image in images {
            publish(&lab, image, &Recipe { size: 5_000, ..Recipe::default() });
        }
        Self { lab, program }
    }

    /// Whether Helm uses server-side apply, as Helm 4 does, and so respects field ownership.
    fn applies(&self) -> bool {
        self.program == "helm4"
    }

    #[track_caller]
    fn run(&self, code: i32, arguments: &[&str]) -> Output {
        let all = [&["--namespace", NAMESPACE], arguments].concat();
        let output = self.lab.run(self.program, &all).unwrap();
        assert_eq!(
            output.code,
            Some(code),
            "{} {}\n{}{}",
            self.program,
            arguments.join(" "),
            output.stdout,
            output.stderr
        );
        output
    }

    /// Installs a chart as a release with the chart's name. Hooks are skipped, because their images cannot be pulled yet.
    #[track_caller]
    fn install(&self, chart: &str) {
        let path = chart_path(chart);
        self.run(0, &["install", chart, text(&path), "--create-namespace", "--no-hooks"]);
    }

    /// Upgrades the release with the name of the chart at `path`.
    #[track_caller]
    fn upgrade(&self, code: i32, path: &Path, arguments: &[&str]) -> Output {
        let release = path.file_name().unwrap().to_str().unwrap();
        self.run(code, &[&["upgrade", release, text(path), "--timeout=10m"], arguments].concat())
    }

    /// Renders a chart and pipes it to `sync-images -f -`.
    #[track_caller]
    fn render_and_sync(&self, path: &Path, values: &str, arguments: &str) -> Output {
        let script = format!(
            "{} template release {} --namespace {NAMESPACE} {values} | \
             kubectl castai-privatelink sync-images -f - --yes {} {arguments}",
            self.program,
            path.display(),
            QUICK.join(" ")
        );
        let output = self.lab.run("bash", &["-c", &format!("set -o pipefail; {script}")]).unwrap();
        assert_eq!(output.code, Some(0), "{script}\n{}{}", output.stdout, output.stderr);
        output
    }

    /// The next version of a chart: the same chart with another application version.
    fn next_version(&self, chart: &str, version: &str) -> PathBuf {
        let path = self.lab.folder().home().join("next").join(chart);
        copy(&chart_path(chart), &path);
        let file = path.join("Chart.yaml");
        let before = std::fs::read_to_string(&file).unwrap();
        let lines = before.lines().map(|line| match line.strip_prefix("appVersion: ") {
            Some(_) => format!("appVersion: {version}\n"),
            None => format!("{line}\n"),
        });
        std::fs::write(&file, lines.collect::<String>()).unwrap();
        path
    }

    /// The field managers that own the image of a container of a Deployment.
    fn field_owners(&self, deployment: &str, container: &str) -> Vec<String> {
        let arguments = ["get", "deployment", deployment, "-n", NAMESPACE, "--show-managed-fields"];
        let object = kubectl_json(&self.lab, &arguments);
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        let item = format!("k:{{\"name\":{container:?}}}");
        let owns = |entry: &&Value| {
            let containers = entry.pointer("/fieldsV1/f:spec/f:template/f:spec/f:containers");
            containers.is_some_and(|containers| containers[&item]["f:image"].is_object())
        };
        entries.iter().filter(owns).map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
    }
}

fn chart_path(chart: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/charts").join(chart)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn private(image: &str) -> String {
    format!("{MIRROR}/{image}")
}
