//! The main job in the lab through the real kubectl, as a new user sees it.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::helm;
use crate::host::Lab;
use crate::settings::Settings;

/// One step: what it shows, and the command, which must succeed.
struct Step {
    title: &'static str,
    command: &'static str,
}

const PODS: &str = "kubectl get pods -n castai-agent";
const IMAGES: &str = "kubectl get deployments,daemonsets,cronjobs -n castai-agent \
                      -o custom-columns=NAME:.metadata.name,IMAGE:..containers[0].image";

const STEPS: &[Step] = &[
    Step {
        title: "Does this cluster reach Cast AI privately?",
        command: "kubectl castai-privatelink preflight",
    },
    Step { title: "Nodes without internet cannot pull Cast AI's images:", command: PODS },
    Step { title: "Because these are public:", command: IMAGES },
    Step {
        title: "Mirror them to ECR, and rewrite the workloads:",
        command: "kubectl castai-privatelink sync-images --yes",
    },
    Step { title: "Now they are private:", command: IMAGES },
    Step { title: "And every pod is ready:", command: PODS },
    Step {
        title: "Running again is always safe, and quick:",
        command: "time kubectl castai-privatelink sync-images --yes",
    },
];

/// Shows every step, and fails if a step fails.
pub fn run() -> anyhow::Result<ExitCode> {
    crate::host::tools::plugin()?;
    let lab = Lab::start(&Settings::default())?;
    helm::store_releases(&lab)?;
    for step in STEPS {
        show(&step_text(step));
        let mut command = lab.command("bash");
        command.args(["-c", &format!("TIMEFORMAT='%R s'; {}", step.command)]);
        let status = run_to_end(command).with_context(|| format!("`{}`", step.command))?;
        if !status {
            bail!("`{}` failed: see the lines above", step.command);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn step_text(step: &Step) -> String {
    format!("\n# {}\n$ {}", step.title, step.command.trim_start_matches("time "))
}

fn run_to_end(mut command: Command) -> anyhow::Result<bool> {
    Ok(command.status().context("entering the lab")?.success())
}

#[expect(clippy::print_stdout, reason = "the demo's result is what it shows")]
fn show(text: &str) {
    println!("{text}");
}
