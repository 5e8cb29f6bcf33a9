//! Renders events: progress bars on a terminal, plain lines elsewhere, both on stderr.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Stage};
use crate::output::table::{bytes, count};
use crate::printable::one_line;

/// Maximum length of a name on a bar, in characters, so that a line fits a usual terminal.
const NAME_LIMIT: usize = 48;

/// The renderer of one run.
pub struct Progress {
    bars: Option<MultiProgress>,
    verbose: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stage: Option<ProgressBar>,
    total: Option<ProgressBar>,
    images: HashMap<String, ProgressBar>,
    rollouts: HashMap<String, ProgressBar>,
    sizes: HashMap<String, u64>,
}

impl Progress {
    /// Uses bars if stderr is a terminal that supports them.
    pub fn new(verbosity: u8) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let bars = (std::io::stderr().is_terminal() && !dumb)
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { bars, verbose: verbosity > 0, state: Mutex::default() }
    }

    /// Renders one event.
    pub fn observe(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Stage(stage) => self.stage(&mut state, stage),
            Event::Warning(text) => self.print_line(&format!("warning: {text}")),
            Event::Note(text) => self.print_line(&text),
            Event::MirrorStarted { images, bytes: total } => self.mirror_started(&mut state, images, total),
            Event::ImageStarted { image, bytes: size } => {
                self.image_started(&mut state, image.as_written(), size);
            }
            Event::ImageProgress { image, bytes: moved } => {
                if let Some(bar) = state.images.get(image.as_written()) {
                    bar.inc(moved);
                }
                if let Some(bar) = &state.total {
                    bar.inc(moved);
                }
            }
            Event::ImageCopied { image } => {
                let size = state.sizes.get(image.as_written()).copied().unwrap_or_default();
                let size = if size == 0 { "layers already exist".to_owned() } else { bytes(size) };
                self.image_ended(&mut state, image.as_written(), &format!("copied {image} ({size})"));
            }
            // The reason is printed at the end, once for all affected images.
            Event::ImageFailed { image } => {
                self.image_ended(&mut state, image.as_written(), &format!("failed {image}"));
            }
            Event::Retry { host, reason, milliseconds } => {
                if self.verbose {
                    self.line(&format!("retrying {host} in {milliseconds} ms: {reason}"));
                }
            }
            Event::MirrorFinished => {
                let State { images, total, .. } = &mut *state;
                images.drain().map(|(_, bar)| bar).chain(total.take()).for_each(|bar| bar.finish_and_clear());
            }
            Event::RolloutStarted { workload } => {
                let name = workload.to_string();
                if let Some(bar) = state.stage.take() {
                    bar.finish_and_clear();
                }
                if let Some(bars) = &self.bars {
                    let bar = bars.add(ProgressBar::new_spinner().with_style(spinner_style()));
                    bar.set_message(format!("{name}: waiting for rollout"));
                    bar.enable_steady_tick(Duration::from_millis(100));
                    state.rollouts.insert(name, bar);
                }
            }
            Event::RolloutProgress { workload, message } => {
                if let Some(bar) = state.rollouts.get(&workload.to_string()) {
                    bar.set_message(one_line(&format!("{workload}: {message}"), 100));
                } else if self.verbose {
                    self.line(&format!("{workload}: {message}"));
                }
            }
            Event::RolloutFinished { workload, message } => {
                if let Some(bar) = state.rollouts.remove(&workload.to_string()) {
                    bar.finish_and_clear();
                }
                self.line(&format!("{workload}: {message}"));
            }
        }
    }

    /// Removes everything that is still drawn, before the result is printed or the program exits.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { stage, total, images, rollouts, .. } = &mut *state;
        let bars = images.drain().chain(rollouts.drain()).map(|(_, bar)| bar);
        for bar in bars.chain(stage.take()).chain(total.take()) {
            bar.finish_and_clear();
        }
        if let Some(bars) = &self.bars {
            // Bars that finish out of order leave lines behind. Errors of a closed terminal are ignored.
            let _ = bars.clear();
        }
    }

    fn stage(&self, state: &mut State, stage: Stage) {
        if let Some(bar) = state.stage.take() {
            bar.finish_and_clear();
        }
        let text = match stage {
            Stage::Discover => "discovering Cast AI's workloads",
            Stage::Plan => "comparing the registry with the sources",
            Stage::Verify => "verifying images in the registry",
            Stage::Rewrite => "checking patches with the API server",
            Stage::Preflight => "checking",
            // These two have their own bars.
            Stage::Mirror | Stage::Rollout => return,
        };
        if let Some(bars) = &self.bars {
            let bar = bars.add(ProgressBar::new_spinner().with_style(spinner_style()));
            bar.set_message(text);
            bar.enable_steady_tick(Duration::from_millis(100));
            state.stage = Some(bar);
        } else if self.verbose {
            self.line(text);
        }
    }

    fn mirror_started(&self, state: &mut State, images: usize, total: u64) {
        if let Some(bars) = &self.bars {
            let style = style(if is_narrow() {
                "{wide_msg} {percent:>3}% {eta:>4} left"
            } else {
                "{msg:48!}  {bar:24}  {decimal_bytes:>10}/{decimal_total_bytes:<10}  {decimal_bytes_per_sec:>12}  {eta} left"
            });
            let bar = bars.add(ProgressBar::new(total).with_style(style));
            bar.set_message(format!("copying {}", count(images, "image")));
            state.total = Some(bar);
        } else {
            self.line(&format!("copying {} ({})", count(images, "image"), bytes(total)));
        }
    }

    fn image_started(&self, state: &mut State, name: &str, size: u64) {
        state.sizes.insert(name.to_owned(), size);
        let Some(bars) = &self.bars else { return };
        let style = style(if is_narrow() {
            "  {msg} {percent:>3}%"
        } else {
            "  {msg:46!}  {bar:24}  {decimal_bytes:>10}/{decimal_total_bytes:<10}"
        });
        let bar = ProgressBar::new(size).with_style(style);
        // A bar must be added to the others before it draws, or it leaves a line behind.
        let bar = bars.add(bar);
        // Two spaces before it, and the percentage after it.
        let room = if is_narrow() { width().saturating_sub(8) } else { NAME_LIMIT - 2 };
        bar.set_message(shortened(name, room));
        state.images.insert(name.to_owned(), bar);
    }

    fn image_ended(&self, state: &mut State, name: &str, line: &str) {
        if let Some(bar) = state.images.remove(name) {
            bar.finish_and_clear();
        }
        self.line(line);
    }

    /// Prints a sentence of any length above the bars.
    fn print_line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| super::say(text)),
            None => super::say(text),
        }
    }

    fn line(&self, text: &str) {
        let text = one_line(text, 1000);
        match &self.bars {
            // Bars are redrawn below the line. Errors of a closed terminal are ignored.
            Some(bars) => drop(bars.println(text)),
            None => super::say(&text),
        }
    }
}

impl Drop for Progress {
    /// An interrupted command must not leave half-drawn lines.
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

fn spinner_style() -> ProgressStyle {
    // Long messages are truncated: bars that wrap to a second line leave pieces behind.
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Width of the terminal with the bars.
fn width() -> usize {
    super::question_width().unwrap_or(80)
}

/// Whether a bar next to names and numbers would need more than one line.
fn is_narrow() -> bool {
    width() < 125
}

/// The end of a long name, where image names differ, with at most `room` characters.
fn shortened(name: &str, room: usize) -> String {
    let name = one_line(name, 300);
    let length = name.chars().count();
    if length <= room {
        return name;
    }
    let tail: String = name.chars().skip(length - room.saturating_sub(1)).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("castai/hibernate:v0.14", 46), "castai/hibernate:v0.14");
        let name = "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1.9.3";
        for room in [46, 30] {
            assert_eq!(shortened(name, room).chars().count(), room);
            assert!(shortened(name, room).ends_with("workload-autoscaler:v1.9.3"));
        }
    }
}
