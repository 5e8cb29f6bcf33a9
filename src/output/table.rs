//! Tables as kubectl prints them: no borders, three spaces between columns, no trailing spaces.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ContentArrangement, Table, presets};

use crate::output::style;
use crate::printable::one_line;

/// Maximum length of a cell, in characters: longer than any legitimate value.
const CELL_LIMIT: usize = 2000;

/// Spaces between two columns.
const GAP: usize = 3;

/// Whether tables are printed without headers: one setting for a process, as for colours.
static NO_HEADERS: AtomicBool = AtomicBool::new(false);

/// From now on, tables have no headers, as with kubectl's `--no-headers`.
pub fn omit_headers() {
    NO_HEADERS.store(true, Ordering::Relaxed);
}

/// A column, and how it is fitted to a narrow terminal.
#[derive(Clone, Copy)]
pub struct Column {
    header: &'static str,
    /// Minimum width when it is truncated.
    least: Option<usize>,
    /// Truncates the start instead of the end: names of images and workloads differ at their end.
    keeps_end: bool,
    /// It may be dropped; lower numbers first.
    dispensable: Option<u8>,
}

impl Column {
    /// A column that is always shown and never truncated.
    pub const fn whole(header: &'static str) -> Self {
        Self { header, least: None, keeps_end: false, dispensable: None }
    }

    pub const fn keeping_start(header: &'static str, least: usize) -> Self {
        Self { least: Some(least), ..Self::whole(header) }
    }

    pub const fn keeping_end(header: &'static str, least: usize) -> Self {
        Self { least: Some(least), keeps_end: true, ..Self::whole(header) }
    }

    #[must_use]
    pub const fn dispensable(self, order: u8) -> Self {
        Self { dispensable: Some(order), ..self }
    }
}

/// Renders rows under `headers`, with a final line break, without fitting.
pub fn render<const COLUMNS: usize>(headers: [&'static str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    fitted(headers.map(Column::whole), rows, None)
}

/// Renders rows that fit `width` characters: columns are truncated, then dropped; if that is not enough, each row
/// becomes a paragraph. Without a width, as in a pipe, everything is rendered in full.
pub fn fitted<const COLUMNS: usize>(
    columns: [Column; COLUMNS],
    rows: &[[String; COLUMNS]],
    width: Option<usize>,
) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(cell, CELL_LIMIT)).collect()).collect();
    let natural: Vec<usize> = (0..COLUMNS)
        .map(|index| {
            let cells = rows.iter().map(|row| row[index].chars().count());
            cells.max().unwrap_or_default().max(columns[index].header.chars().count())
        })
        .collect();
    let Some(width) = width else {
        return lines(&columns, &rows, &(0..COLUMNS).collect::<Vec<_>>(), &natural);
    };
    let least = |index: usize| natural[index].min(columns[index].least.unwrap_or(usize::MAX));
    let mut shown: Vec<usize> = (0..COLUMNS).collect();
    let gaps = |shown: &[usize]| GAP * shown.len().saturating_sub(1);
    while shown.iter().map(|&index| least(index)).sum::<usize>() + gaps(&shown) > width {
        let dispensable = shown.iter().filter(|&&index| columns[index].dispensable.is_some());
        let Some(&next) = dispensable.min_by_key(|&&index| columns[index].dispensable) else {
            return paragraphs(&columns, &rows, width);
        };
        shown.retain(|&index| index != next);
    }
    let mut widths = natural.clone();
    while shown.iter().map(|&index| widths[index]).sum::<usize>() + gaps(&shown) > width {
        let spare = shown.iter().filter(|&&index| widths[index] > least(index));
        let Some(&widest) = spare.max_by_key(|&&index| widths[index]) else { break };
        widths[widest] -= 1;
    }
    lines(&columns, &rows, &shown, &widths)
}

fn lines(columns: &[Column], rows: &[Vec<String>], shown: &[usize], widths: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !NO_HEADERS.load(Ordering::Relaxed) {
        table.set_header(shown.iter().map(|&index| columns[index].header));
    }
    for row in rows {
        table.add_row(shown.iter().map(|&index| cut(&row[index], &columns[index], widths[index])));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, u16::try_from(GAP).unwrap_or_default()));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// The first cell on its own line, followed by lines with header and cell.
fn paragraphs(columns: &[Column], rows: &[Vec<String>], width: usize) -> String {
    const INDENTATION: usize = 2;
    let mut text = String::new();
    for row in rows {
        let others = columns.iter().zip(row).skip(1).filter(|(_, cell)| !matches!(cell.as_str(), "" | "-"));
        let others: Vec<_> = others.map(|(column, cell)| format!("{} {cell}", column.header)).collect();
        if let (Some(column), Some(cell)) = (columns.first(), row.first()) {
            text.push_str(&cut(cell, column, width));
        }
        let rest = style::wrap(&others.join(", "), width.saturating_sub(INDENTATION), INDENTATION);
        if !rest.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{:INDENTATION$}{rest}", "");
        }
        text.push('\n');
    }
    text
}

fn cut(cell: &str, column: &Column, width: usize) -> String {
    let length = cell.chars().count();
    if length <= width {
        return cell.to_owned();
    }
    // One character is needed for the ellipsis.
    let kept = width.saturating_sub(1);
    if column.keeps_end {
        format!("…{}", cell.chars().skip(length - kept).collect::<String>())
    } else {
        format!("{}…", cell.chars().take(kept).collect::<String>())
    }
}

/// A number of bytes in decimal units, as in ECR's console.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// A number with its noun: `1 image`, `3 images`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_look_like_kubectls() {
        let rows =
            [["castai-agent".to_owned(), "2/2".to_owned()], ["a\u{1b}[31m".to_owned(), "0/1".to_owned()]];
        assert_eq!(
            render(["NAME", "READY"], &rows),
            "NAME           READY\ncastai-agent   2/2\na [31m         0/1\n"
        );
    }

    const IMAGES: [Column; 4] = [
        Column::keeping_end("IMAGE", 12),
        Column::whole("DIGEST").dispensable(1),
        Column::keeping_start("SIZE", 4).dispensable(2),
        Column::whole("RESULT"),
    ];

    #[test]
    fn narrow_tables_truncate_then_drop_then_stack_columns_and_pipes_get_all() {
        let cells = ["ghcr.io/castai/kvisor-agent:v1", "c979cb3027de", "20.02 MB", "copied"];
        let rows = [cells.map(str::to_owned)];
        let cases = [
            (
                None,
                "IMAGE                            DIGEST         SIZE       RESULT\n\
                 ghcr.io/castai/kvisor-agent:v1   c979cb3027de   20.02 MB   copied\n",
            ),
            (
                Some(56),
                "IMAGE                   DIGEST         SIZE       RESULT\n\
                 …stai/kvisor-agent:v1   c979cb3027de   20.02 MB   copied\n",
            ),
            (Some(30), "IMAGE          SIZE     RESULT\n…or-agent:v1   20.02…   copied\n"),
            (Some(24), "IMAGE             RESULT\n…visor-agent:v1   copied\n"),
            (Some(18), "…i/kvisor-agent:v1\n  DIGEST\n  c979cb3027de,\n  SIZE 20.02 MB,\n  RESULT copied\n"),
        ];
        for (width, expected) in cases {
            let text = fitted(IMAGES, &rows, width);
            assert_eq!(text, expected, "{width:?}");
        }
    }
}
