//! The endpoints and the main job in the lab through the real kubectl, as a new user sees it.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::helm;
use crate::host::Lab;
use crate::settings::Settings;

/// One step: what it shows, and the command with its exit code.
struct Step {
    title: &'static str,
    command: &'static str,
    code: i32,
}

impl Step {
    /// One whose command must succeed.
    const fn new(title: &'static str, command: &'static str) -> Self {
        Self { title, command, code: 0 }
    }
}

const PODS: &str = "kubectl get pods -n castai-agent";
const IMAGES: &str = "kubectl get deployments,daemonsets,cronjobs -n castai-agent \
                      -o custom-columns=NAME:.metadata.name,IMAGE:..containers[0].image";

const STEPS: &[Step] = &[
    Step {
        title: "A VPC without internet and without VPC endpoints. Does the cluster reach Cast AI privately?",
        command: "kubectl castai-privatelink preflight",
        code: 1,
    },
    Step::new("What does the VPC lack?", "kubectl castai-privatelink endpoints plan --with-aws-endpoints"),
    Step::new("Create it:", "kubectl castai-privatelink endpoints create --with-aws-endpoints --yes"),
    Step::new("Does the cluster reach Cast AI now?", "kubectl castai-privatelink preflight"),
    Step::new("Nodes without internet cannot pull Cast AI's images:", PODS),
    Step::new("Because these are public:", IMAGES),
    Step::new(
        "Mirror them to ECR, and rewrite the workloads:",
        "kubectl castai-privatelink sync-images --yes",
    ),
    Step::new("Now they are private:", IMAGES),
    Step::new("And every pod is ready:", PODS),
    Step::new(
        "Running again is always safe, and quick:",
        "time kubectl castai-privatelink sync-images --yes",
    ),
];

/// Shows every step, and fails if a step does not end as it should.
pub fn run() -> anyhow::Result<ExitCode> {
    crate::host::tools::plugin()?;
    let lab = Lab::start(&Settings::default())?;
    helm::store_releases(&lab)?;
    lab.control().put("/aws/dns-follows", &true)?;
    for step in STEPS {
        show(&step_text(step));
        let mut command = lab.command("bash");
        command.args(["-c", &format!("TIMEFORMAT='%R s'; {}", step.command)]);
        let status = run_to_end(command).with_context(|| format!("`{}`", step.command))?;
        if status != Some(step.code) {
            bail!("`{}` did not exit with {}: see the lines above", step.command, step.code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn step_text(step: &Step) -> String {
    format!("\n# {}\n$ {}", step.title, step.command.trim_start_matches("time "))
}

fn run_to_end(mut command: Command) -> anyhow::Result<Option<i32>> {
    Ok(command.status().context("entering the lab")?.code())
}

#[expect(clippy::print_stdout, reason = "the demo's result is what it shows")]
fn show(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::{STEPS, step_text};

    const PAGE: &str = include_str!("../../../docs/demo.md");

    #[test]
    fn the_page_shows_these_steps() {
        let is_title = |line: &&str| line.starts_with("# ") || line.starts_with("$ ");
        let shown: Vec<_> = PAGE.lines().skip(1).filter(is_title).collect();
        let steps: Vec<_> = STEPS.iter().map(step_text).collect();
        let steps: Vec<_> = steps.iter().flat_map(|step| step.lines()).filter(is_title).collect();
        assert_eq!(shown, steps);
    }
}
