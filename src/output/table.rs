//! Tables as kubectl prints them: no borders, three spaces between columns, no trailing spaces. In a pipe, each row is a
//! line with all columns in full. On a terminal, cells are wrapped and never truncated, and what repeats is folded.

mod fit;
mod fold;
mod wrap;

use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ContentArrangement, Table, presets};

use crate::printable::one_line;

/// Maximum length of a cell, in characters: longer than any legitimate value.
const CELL_LIMIT: usize = 2000;

/// Maximum number of names in a sentence; a table, warning or document has all.
const NAMED: usize = 3;

/// Spaces between two columns.
const GAP: usize = 3;

/// Whether tables are printed without headers: one setting for a process, as for colours.
static NO_HEADERS: AtomicBool = AtomicBool::new(false);

/// From now on, tables have no headers, as with kubectl's `--no-headers`.
pub fn omit_headers() {
    NO_HEADERS.store(true, Ordering::Relaxed);
}

/// Whether repetition is folded: a pipe and `--no-headers` get every row in full.
pub(super) fn is_folded(width: Option<usize>) -> bool {
    width.is_some() && !NO_HEADERS.load(Ordering::Relaxed)
}

/// A column, and how it is fitted to a terminal.
#[derive(Clone, Copy)]
pub struct Column {
    header: &'static str,
    /// Minimum width when it is wrapped; `None` if it is never wrapped.
    least: Option<usize>,
    /// It is narrowed and then dropped before other columns are wrapped; lower numbers first.
    yields: Option<u8>,
    fold: Fold,
}

/// What happens to equal cells on a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    Never,
    /// If all rows have the same value, it is printed once above the table.
    Shared,
    /// The same; otherwise, a value that repeats that of the row above is printed as `"`.
    Repeated,
    /// Rows that differ only here become one row with a list.
    Joined,
}

impl Column {
    /// A column that is never wrapped.
    pub const fn whole(header: &'static str) -> Self {
        Self { header, least: None, yields: None, fold: Fold::Never }
    }

    /// A column that is wrapped on a narrow terminal, to `least` characters or more.
    pub const fn wrapped(header: &'static str, least: usize) -> Self {
        Self { least: Some(least), ..Self::whole(header) }
    }

    #[must_use]
    pub const fn yielding(self, order: u8) -> Self {
        Self { yields: Some(order), ..self }
    }

    #[must_use]
    pub const fn shared(self) -> Self {
        Self { fold: Fold::Shared, ..self }
    }

    #[must_use]
    pub const fn repeated(self) -> Self {
        Self { fold: Fold::Repeated, ..self }
    }

    #[must_use]
    pub const fn joined(self) -> Self {
        Self { fold: Fold::Joined, ..self }
    }
}

/// Renders rows under `headers`, with a final line break, without fitting.
pub fn render<const COLUMNS: usize>(headers: [&'static str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    fitted(headers.map(Column::whole), rows, None)
}

/// Renders rows that fit `width` characters: repetition is folded, cells are wrapped, and columns that yield are dropped;
/// if that is not enough, each row becomes a paragraph. Without a width, as in a pipe, everything is rendered in full.
pub fn fitted<const COLUMNS: usize>(
    columns: [Column; COLUMNS],
    rows: &[[String; COLUMNS]],
    width: Option<usize>,
) -> String {
    let mut rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(cell, CELL_LIMIT)).collect()).collect();
    let mut columns = columns.to_vec();
    let Some(width) = width else { return lines(&columns, rows) };
    let mut above = String::new();
    if is_folded(Some(width)) {
        fold::join(&columns, &mut rows);
        above = fold::share(&mut columns, &mut rows);
    }
    above + &fit::fit(&columns, rows, width)
}

fn lines(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !NO_HEADERS.load(Ordering::Relaxed) {
        table.set_header(columns.iter().map(|column| column.header));
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, u16::try_from(GAP).unwrap_or_default()));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A number of bytes in decimal units, as in ECR's console.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// A number with its noun: `1 image`, `3 images`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The first names, and the number of others.
pub fn first_names(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = match names.len().checked_sub(NAMED) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    names.take(NAMED).collect::<Vec<_>>().join(", ") + &more
}

#[cfg(test)]
mod tests;
