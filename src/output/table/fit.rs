//! Fits a table to the width of a terminal.

use std::fmt::Write as _;

use super::fold::mark_repeated;
use super::wrap::wrap;
use super::{Column, GAP, is_folded, lines};
use crate::output::style;

/// Wraps cells, drops columns that yield, which a last line names, and at last prints paragraphs.
pub(super) fn fit(columns: &[Column], mut rows: Vec<Vec<String>>, width: usize) -> String {
    let natural: Vec<usize> = (0..columns.len())
        .map(|index| {
            let cells = rows.iter().map(|row| row[index].chars().count());
            cells.max().unwrap_or_default().max(columns[index].header.chars().count())
        })
        .collect();
    let least = |index: usize| natural[index].min(columns[index].least.unwrap_or(usize::MAX));
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let gaps = |shown: &[usize]| GAP * shown.len().saturating_sub(1);
    while shown.iter().map(|&index| least(index)).sum::<usize>() + gaps(&shown) > width {
        let yielding = shown.iter().filter(|&&index| columns[index].yields.is_some());
        let Some(&next) = yielding.min_by_key(|&&index| columns[index].yields) else {
            return paragraphs(columns, &rows, width);
        };
        shown.retain(|&index| index != next);
    }
    let mut widths = natural.clone();
    while shown.iter().map(|&index| widths[index]).sum::<usize>() + gaps(&shown) > width {
        // Columns that yield are narrowed first, then the widest.
        let spare = shown.iter().filter(|&&index| widths[index] > least(index));
        let order = |index: usize| (columns[index].yields.unwrap_or(u8::MAX), usize::MAX - widths[index]);
        let Some(&narrowed) = spare.min_by_key(|&&index| order(index)) else { break };
        widths[narrowed] -= 1;
    }
    // In paragraphs, no value is above another.
    if is_folded(Some(width)) {
        mark_repeated(columns, &mut rows);
    }
    let is_empty = |index: usize| rows.iter().all(|row| matches!(row[index].as_str(), "" | "-"));
    let hidden = (0..columns.len()).filter(|index| !shown.contains(index) && !is_empty(*index));
    let hidden: Vec<_> = hidden.map(|index| columns[index].header).collect();
    let columns: Vec<Column> = shown.iter().map(|&index| columns[index]).collect();
    let rows = rows.into_iter();
    let rows = rows.map(|row| shown.iter().map(|&index| wrap(&row[index], widths[index])).collect());
    let mut text = lines(&columns, rows.collect());
    if !hidden.is_empty() {
        let hidden = wrap(&format!("not shown at this width: {}", hidden.join(", ")), width);
        text.push_str(&(hidden + "\n"));
    }
    text
}

/// The first cell on its own line, followed by lines with header and cell.
fn paragraphs(columns: &[Column], rows: &[Vec<String>], width: usize) -> String {
    const INDENTATION: usize = 2;
    let mut text = String::new();
    for row in rows {
        let others = columns.iter().zip(row).skip(1).filter(|(_, cell)| !matches!(cell.as_str(), "" | "-"));
        let others: Vec<_> = others.map(|(column, cell)| format!("{} {cell}", column.header)).collect();
        if let Some(cell) = row.first() {
            text.push_str(&wrap(cell, width));
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
