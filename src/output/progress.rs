//! Renders events: progress bars on a terminal, plain lines elsewhere, both on stderr.

mod bar;
mod rows;

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use self::bar::{LINE_LIMIT, bar_style, spinner_style};
use self::rows::Rows;
use crate::event::{Event, Stage};
use crate::output::format::ProgressMode;
use crate::output::interruption;
use crate::output::table::{bytes, count};
use crate::printable::one_line;

/// The renderer of one run.
pub struct Progress {
    bars: Option<MultiProgress>,
    /// Without bars: whether finished steps are printed.
    plain: bool,
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
    /// Hosts that did not respond for a while.
    silent: HashSet<String>,
    /// What checks that are repeated lacked last.
    missing: Option<String>,
}

impl Progress {
    /// Bars need a terminal that supports them. `verbose` also prints retries and each step.
    pub fn new(mode: Option<ProgressMode>, verbose: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let wants_bars = matches!(mode, None | Some(ProgressMode::Bar));
        let bars = (wants_bars && std::io::stderr().is_terminal() && !dumb).then(|| {
            let rows = Box::new(Rows::on_stderr());
            MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(rows, 10))
        });
        Self { bars, plain: mode != Some(ProgressMode::None), verbose, state: Mutex::default() }
    }

    /// Renders one event.
    pub fn observe(&self, event: Event) {
        interruption::observe(&event);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ChangesStarted { .. } => {}
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
            Event::Silent { host, seconds } => {
                if state.silent.insert(host.clone()) {
                    self.print_line(&format!(
                        "note: {host} has not responded for {seconds} s; a request to it may take up to --idle-timeout for \
                         each of its attempts (--retries)"
                    ));
                }
            }
            Event::Retry { host, reason, milliseconds } => {
                if self.verbose {
                    self.print_line(&format!("retrying {host} in {milliseconds} ms: {reason}"));
                }
            }
            Event::NotReady { missing } => self.not_ready(&mut state, missing),
            Event::MirrorFinished => {
                let State { images, total, .. } = &mut *state;
                images.drain().map(|(_, bar)| bar).chain(total.take()).for_each(|bar| bar.finish_and_clear());
            }
            Event::RolloutStarted { workload, .. } => {
                let name = workload.to_string();
                if let Some(bar) = state.stage.take() {
                    bar.finish_and_clear();
                }
                if let Some(bars) = &self.bars {
                    let bar = Self::spinner(bars);
                    bar.set_message(format!("{name}: waiting for rollout"));
                    state.rollouts.insert(name, bar);
                }
            }
            Event::RolloutProgress { workload, message, is_blocked } => {
                if let Some(bar) = state.rollouts.get(&workload.to_string()) {
                    bar.set_message(one_line(&format!("{workload}: {message}"), LINE_LIMIT));
                } else if self.verbose || is_blocked {
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
        if state.missing.is_some() {
            // Repeated checks: the line says what they lack.
            return;
        }
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
            Stage::Mirror => return,
        };
        if let Some(bars) = &self.bars {
            let bar = Self::spinner(bars);
            bar.set_message(text);
            state.stage = Some(bar);
        } else if self.verbose {
            self.line(text);
        }
    }

    /// One line on a terminal, which is updated; elsewhere a line for each change.
    fn not_ready(&self, state: &mut State, missing: String) {
        let text = format!("waiting for {missing}");
        if let Some(bars) = &self.bars {
            let bar = state.stage.get_or_insert_with(|| Self::spinner(bars));
            bar.set_message(one_line(&text, LINE_LIMIT));
        } else if state.missing.as_ref() != Some(&missing) {
            self.line(&text);
        }
        state.missing = Some(missing);
    }

    fn spinner(bars: &MultiProgress) -> ProgressBar {
        let bar = bars.add(ProgressBar::new_spinner().with_style(spinner_style()));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn mirror_started(&self, state: &mut State, images: usize, total: u64) {
        let title = format!("copying {}", count(images, "image"));
        if let Some(bars) = &self.bars {
            let bar = ProgressBar::new(total).with_style(bar_style(bar::Line::Total(title)));
            state.total = Some(bars.add(bar));
        } else {
            self.line(&format!("{title} ({})", bytes(total)));
        }
    }

    fn image_started(&self, state: &mut State, name: &str, size: u64) {
        state.sizes.insert(name.to_owned(), size);
        let Some(bars) = &self.bars else { return };
        let bar = ProgressBar::new(size).with_style(bar_style(bar::Line::Image(name.to_owned())));
        // A bar must be added to the others before it draws, or it leaves a line behind.
        state.images.insert(name.to_owned(), bars.add(bar));
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
            Some(bars) => drop(bars.println(super::for_terminal(&text, super::question_width()))),
            None if self.plain => super::say(&text),
            None => {}
        }
    }
}

impl Drop for Progress {
    /// An interrupted command must not leave half-drawn lines.
    fn drop(&mut self) {
        self.clear();
    }
}
