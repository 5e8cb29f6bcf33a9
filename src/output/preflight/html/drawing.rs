//! A drawing of each path: from where it starts, through the endpoint, to the host, with a mark at each step. Names are
//! text of the page, because text in a drawing is not wrapped.

use std::fmt::Write as _;

use super::{badge, class, text};
use crate::preflight::path::{Path, PathStep};

/// Size of a drawing, in its own units. It is as wide as a narrow phone, so that its text stays readable there.
const WIDTH: usize = 320;
const HEIGHT: usize = 68;

/// Height of the line.
const LINE: usize = 27;

/// Where the first and the last symbol are.
const ENDS: [usize; 2] = [18, WIDTH - 18];

/// Radius of a step.
const RADIUS: usize = 10;

/// Paths that work and are shown at once. More of them are folded.
const SHOWN: usize = 12;

pub(super) fn section(paths: &[Path]) -> String {
    if paths.is_empty() {
        return String::new();
    }
    let mut starts: Vec<&str> = Vec::new();
    for path in paths {
        if !starts.contains(&path.from.as_str()) {
            starts.push(&path.from);
        }
    }
    let mut section = String::from("<section id=\"paths\">\n<h2>Paths to Cast AI and AWS</h2>\n");
    for start in starts {
        let (good, bad): (Vec<_>, Vec<_>) =
            paths.iter().filter(|path| path.from == *start).partition(|path| path.works());
        // Writing to a string cannot fail.
        let _ = writeln!(
            section,
            "<div class=\"from\"><h3>From {}</h3><span class=\"soft\">{} of {} paths work</span></div>",
            text(start),
            good.len(),
            good.len() + bad.len()
        );
        let (shown, folded) = good.split_at(good.len().min(SHOWN));
        section.push_str(&grid(bad.into_iter().chain(shown.iter().copied())));
        if !folded.is_empty() {
            let _ = writeln!(section, "<details><summary>{} more paths work</summary>", folded.len());
            section.push_str(&grid(folded.iter().copied()));
            section.push_str("</details>\n");
        }
    }
    section + "</section>\n"
}

fn grid<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    format!("<div class=\"grid\">\n{}</div>\n", paths.map(card).collect::<String>())
}

fn card(path: &Path) -> String {
    let result = path.worst().map_or("Pass", |step| step.result);
    let mut card = format!(
        "<article class=\"card path {}\">\n<header><h4>{}</h4>{}</header>\n",
        class(result),
        text(&path.to),
        badge(result)
    );
    let needed: Vec<_> = path.needed_by.iter().map(String::as_str).collect();
    if !needed.is_empty() {
        let _ = writeln!(card, "<p class=\"soft\">needed by {}</p>", text(&needed.join(", ")));
    }
    if let Some(endpoint) = &path.through {
        let _ = writeln!(card, "<p class=\"soft\">through {}</p>", text(endpoint));
    }
    card.push_str(&drawing(path));
    let seen = path.worst().or(path.steps.last());
    if let Some(step) = seen.filter(|step| !step.observed.is_empty()) {
        let _ = writeln!(card, "<p>{}: {}</p>", step.name, text(&step.observed));
    }
    card + "</article>\n"
}

/// A symbol on the line between both ends.
enum Symbol<'a> {
    Step(&'a PathStep),
    /// It has the result of the step before it.
    Endpoint(&'static str),
}

fn drawing(path: &Path) -> String {
    let mut symbols: Vec<Symbol<'_>> = Vec::new();
    for step in &path.steps {
        // Connections go to the addresses of the endpoint.
        if step.name == "TCP" && path.through.is_some() {
            let result = symbols.last().map_or("Pass", Symbol::result);
            symbols.push(Symbol::Endpoint(result));
        }
        symbols.push(Symbol::Step(step));
    }
    let steps: Vec<_> = path.steps.iter().map(|step| format!("{} {}", step.name, step.result)).collect();
    let label = format!("From {} to {}: {}", path.from, path.to, steps.join(", "));
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n", text(&label));
    let gap = (ENDS[1] - ENDS[0]) / (symbols.len() + 1);
    let place = |index: usize| ENDS[0] + gap * (index + 1);
    for (index, symbol) in symbols.iter().enumerate() {
        hop(&mut svg, if index == 0 { ENDS[0] } else { place(index - 1) }, place(index), symbol.result());
    }
    // Only a path that works arrives.
    let last = if path.works() { "Pass" } else { "Skipped" };
    hop(&mut svg, place(symbols.len().saturating_sub(1)), ENDS[1], last);
    for (index, symbol) in symbols.iter().enumerate() {
        symbol.draw(&mut svg, place(index));
    }
    machine(&mut svg, ENDS[0]);
    cloud(&mut svg, ENDS[1]);
    svg + "</svg>\n"
}

fn hop(svg: &mut String, from: usize, to: usize, result: &str) {
    let class = class(result);
    let _ = writeln!(svg, "<path class=\"hop {class}\" d=\"M{from} {LINE}H{to}\"/>");
}

impl Symbol<'_> {
    const fn result(&self) -> &'static str {
        match self {
            Self::Step(step) => step.result,
            Self::Endpoint(result) => result,
        }
    }

    fn draw(&self, svg: &mut String, x: usize) {
        let result = self.result();
        let class = class(result);
        let label = LINE + 30;
        // The longest name is the last one, and there is room below the host.
        let middle = if matches!(self, Self::Step(step) if step.name == "response") { x + 6 } else { x };
        match self {
            Self::Step(step) => {
                let title = if step.observed.is_empty() { result.to_owned() } else { step.observed.clone() };
                let _ = writeln!(
                    svg,
                    "<g class=\"{class}\"><title>{}: {}</title><circle class=\"node {class}\" cx=\"{x}\" cy=\"{LINE}\" r=\"{RADIUS}\"/>\
                     <path class=\"mark {class}\" transform=\"translate({x} {LINE})\" d=\"{}\"/><text x=\"{middle}\" y=\"{label}\"{}>{}</text></g>",
                    step.name,
                    text(&title),
                    mark(result),
                    if ["Pass", "Skipped"].contains(&result) { "" } else { " class=\"seen\"" },
                    step.name,
                );
            }
            Self::Endpoint(_) => {
                let (left, top, size) = (x - RADIUS, LINE - RADIUS, 2 * RADIUS);
                // Above the line, because there is no room between the names of the steps.
                let above = LINE - 16;
                let _ = writeln!(
                    svg,
                    "<g class=\"{class}\"><rect class=\"node {class}\" x=\"{left}\" y=\"{top}\" width=\"{size}\" height=\"{size}\" rx=\"4\"/>\
                     <path class=\"mark {class}\" transform=\"translate({x} {LINE})\" d=\"M-4 0H4M1-3L4 0L1 3\"/><text x=\"{x}\" y=\"{above}\">endpoint</text></g>",
                );
            }
        }
    }
}

/// The mark of a result, around the origin.
const fn mark(result: &str) -> &'static str {
    match result.as_bytes() {
        b"Pass" => "M-4.5 0L-1.5 3.5L4.5-3.5",
        b"Fail" => "M-3.5-3.5L3.5 3.5M3.5-3.5L-3.5 3.5",
        b"Warn" => "M0-5V1M0 4.5V4.6",
        b"Unknown" => "M-2.5-2.5Q-2.5-5 0-5T2.5-2.5Q2.5-1 0 0V1M0 4.5V4.6",
        _ => "M-3.5 0H3.5",
    }
}

fn machine(svg: &mut String, x: usize) {
    let (left, top) = (x - 12, LINE - 10);
    let _ = writeln!(
        svg,
        "<rect class=\"end\" x=\"{left}\" y=\"{top}\" width=\"24\" height=\"20\" rx=\"4\"/>\
         <path class=\"glyph\" transform=\"translate({x} {LINE})\" d=\"M-6-3L-3 0L-6 3M0 3H5\"/>"
    );
}

fn cloud(svg: &mut String, x: usize) {
    let _ = writeln!(
        svg,
        "<path class=\"end\" transform=\"translate({x} {LINE})\" d=\"M-8 7A5 5 0 0 1-8-3A8 8 0 0 1 6-5A6 6 0 0 1 8 7Z\"/>"
    );
}
