//! The lines of bars. A terminal that becomes narrower wraps the lines on it, and what a redraw does not remove stays
//! there: a line is never longer than [`LINE_LIMIT`].

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressState, ProgressStyle};

use crate::output::question_width;
use crate::output::table::bytes;
use crate::printable::one_line;

/// Maximum length of a line in characters: less than the width of a usual terminal.
pub(super) const LINE_LIMIT: usize = 78;

/// Width of the drawn part.
const GAUGE: usize = 14;

/// Minimum length of a name; the gauge is omitted first.
const NAME_LEAST: usize = 24;

/// What a bar is about.
#[derive(Clone)]
pub(super) enum Line {
    /// All images, by this title.
    Total(String),
    Image(String),
}

/// The numbers of a bar.
struct Numbers {
    moved: u64,
    total: u64,
    /// In bytes per second.
    rate: f64,
    left: Duration,
}

/// The style of a bar, which is laid out for the width of the terminal each time that it is drawn.
pub(super) fn bar_style(line: Line) -> ProgressStyle {
    let draw = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let numbers = Numbers {
            moved: state.pos(),
            total: state.len().unwrap_or_default(),
            rate: state.per_sec(),
            left: state.eta(),
        };
        // The terminal may be gone.
        let _ = out.write_str(&line.draw(&numbers, question_width().unwrap_or(80)));
    };
    ProgressStyle::with_template("{line}")
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.with_key("line", draw))
}

pub(super) fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Line {
    fn draw(&self, numbers: &Numbers, width: usize) -> String {
        let width = LINE_LIMIT.min(width.saturating_sub(1));
        let (name, indentation, figures) = match self {
            Self::Total(title) => (title, "", numbers.with_rate()),
            Self::Image(name) => (name, "  ", numbers.moved()),
        };
        let shortened = |room: usize| match self {
            Self::Total(title) => title.chars().take(room).collect(),
            Self::Image(name) => shortened(name, room),
        };
        let room = width.saturating_sub(indentation.len() + figures.chars().count() + 1);
        if room < NAME_LEAST / 2 {
            let percent = numbers.percent();
            let room = width.saturating_sub(indentation.len() + percent.len() + 1);
            return format!("{indentation}{:<room$} {percent}", shortened(room));
        }
        if room < NAME_LEAST + GAUGE + 1 && name.chars().count() + GAUGE + 1 > room {
            return format!("{indentation}{:<room$} {figures}", shortened(room));
        }
        let room = room - GAUGE - 1;
        let name = shortened(room);
        format!("{indentation}{name:<room$} {} {figures}", numbers.gauge())
    }
}

impl Numbers {
    fn moved(&self) -> String {
        format!("{:>9}/{:<9}", bytes(self.moved), bytes(self.total))
    }

    fn with_rate(&self) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is shown rounded"
        )]
        let rate = bytes(self.rate.max(0.0) as u64);
        let mut text = self.moved();
        // Writing to a string cannot fail.
        let _ = write!(text, " {rate:>9}/s {:>7} left", clock(self.left));
        text
    }

    fn done(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a part is shown rounded")]
        let part = self.moved as f64 / self.total.max(1) as f64;
        part.min(1.0)
    }

    fn percent(&self) -> String {
        format!("{:>3.0}%", self.done() * 100.0)
    }

    fn gauge(&self) -> String {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is drawn rounded"
        )]
        let filled = (self.done() * GAUGE as f64) as usize;
        format!("{:<GAUGE$}", "=".repeat(filled))
    }
}

/// `0:05`, `2:30` or `1:02:30`.
fn clock(left: Duration) -> String {
    let (hours, minutes, seconds) = (left.as_secs() / 3600, left.as_secs() / 60 % 60, left.as_secs() % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        1..=99 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => "-".to_owned(),
    }
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

    #[test]
    fn bars_show_bytes_rate_and_time_left_at_80_columns() {
        let total = Line::Total("copying 15 images".to_owned());
        let image = Line::Image("us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1.9.3".to_owned());
        let numbers = Numbers {
            moved: 412_000_000,
            total: 824_000_000,
            rate: 12_345_678.9,
            left: Duration::from_secs(33),
        };
        for (width, line, expected) in [
            (200, &total, "copying 15 images  =======        412.00 MB/824.00 MB  12.35 MB/s    0:33 left"),
            (80, &total, "copying 15 images  =======        412.00 MB/824.00 MB  12.35 MB/s    0:33 left"),
            (60, &total, "copying 15 ima 412.00 MB/824.00 MB  12.35 MB/s    0:33 left"),
            (40, &total, "copying 15 images                   50%"),
            (80, &image, "  …i-hub/library/workload-autoscaler:v1.9.3 =======        412.00 MB/824.00 MB"),
            (40, &image, "  …utoscaler:v1.9.3 412.00 MB/824.00 MB"),
            (20, &image, "  …aler:v1.9.3  50%"),
        ] {
            let drawn = line.draw(&numbers, width);
            assert!(drawn.chars().count() < width && drawn.chars().count() <= LINE_LIMIT, "{width}: {drawn}");
            assert_eq!(drawn, expected, "{width}");
        }
    }

    #[test]
    fn the_time_left_is_a_clock() {
        for (seconds, text) in [(0, "0:00"), (59, "0:59"), (150, "2:30"), (3750, "1:02:30"), (u64::MAX, "-")]
        {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
    }
}
