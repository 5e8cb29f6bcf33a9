//! Fits a table to the width of a terminal.

use super::fold::{distinguish, is_grouped, mark_repeated};
use super::wrap::wrap;
use super::{Column, GAP, is_folded, lines};
use crate::output::style;

/// Wraps cells, drops columns that yield, which a last line names, and at last prints paragraphs. Before a column is
/// dropped, a first column whose values are shared by rows becomes lines above them.
pub(super) fn fit(columns: &[Column], mut rows: Vec<Vec<String>>, width: usize) -> String {
    let natural_width = |rows: &[Vec<String>], index: usize| {
        let cells = rows.iter().map(|row| row[index].chars().count());
        cells.max().unwrap_or_default().max(columns[index].header.chars().count())
    };
    let mut natural: Vec<usize> = (0..columns.len()).map(|index| natural_width(&rows, index)).collect();
    let full = rows.clone();
    let least =
        |natural: &[usize], index: usize| natural[index].min(columns[index].least.unwrap_or(usize::MAX));
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let gaps = |shown: &[usize]| GAP * shown.len().saturating_sub(1);
    let can_group = is_folded(Some(width)) && is_grouped(columns);
    while shown.iter().map(|&index| least(&natural, index)).sum::<usize>() + gaps(&shown) > width {
        let yielding = shown.iter().filter(|&&index| columns[index].yields.is_some());
        let first = shown.first().filter(|&&index| index == 0 && can_group);
        let Some(&next) = first.or_else(|| yielding.min_by_key(|&&index| columns[index].yields)) else {
            return paragraphs(columns, &full, width, can_group);
        };
        shown.retain(|&index| index != next);
        if is_folded(Some(width)) && distinguish(columns, &mut rows, next) {
            natural[next - 1] = natural_width(&rows, next - 1);
        }
    }
    let mut widths = natural.clone();
    while shown.iter().map(|&index| widths[index]).sum::<usize>() + gaps(&shown) > width {
        // Columns that yield are narrowed first, then the widest.
        let spare = shown.iter().filter(|&&index| widths[index] > least(&natural, index));
        let order = |index: usize| (columns[index].yields.unwrap_or(u8::MAX), usize::MAX - widths[index]);
        let Some(&narrowed) = spare.min_by_key(|&&index| order(index)) else { break };
        widths[narrowed] -= 1;
    }
    let groups = (can_group && shown.first() != Some(&0)).then(|| headings(columns, &rows, width));
    // In paragraphs, no value is above another.
    if is_folded(Some(width)) {
        mark_repeated(columns, &mut rows);
    }
    let is_empty = |index: usize| rows.iter().all(|row| matches!(row[index].as_str(), "" | "-"));
    let hidden = (0..columns.len()).filter(|index| !shown.contains(index) && !is_empty(*index));
    let hidden = hidden.filter(|&index| index != 0 || groups.is_none());
    let hidden: Vec<_> = hidden.map(|index| columns[index].header).collect();
    let columns: Vec<Column> = shown.iter().map(|&index| columns[index]).collect();
    let rows = rows.into_iter();
    let rows = rows.map(|row| shown.iter().map(|&index| wrap(&row[index], widths[index])).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    let mut text = match &groups {
        Some(groups) => under(groups, &rows, &lines(&columns, rows.clone())),
        None => lines(&columns, rows),
    };
    if !hidden.is_empty() {
        let hidden = format!("not shown at this width: {} (see -o yaml)", hidden.join(", "));
        text.push_str(&(style::wrap(&hidden, width, 0) + "\n"));
    }
    text
}

/// The line above each row; `None` below a row of the same group.
fn headings(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<Option<String>> {
    let heading = |(index, row): (usize, &Vec<String>)| {
        let is_new = index.checked_sub(1).is_none_or(|above| rows[above][0] != row[0]);
        is_new.then(|| wrap(&format!("{}: {}", columns[0].header.to_lowercase(), row[0]), width))
    };
    rows.iter().enumerate().map(heading).collect()
}

/// `table`, which has a header, with headings above its rows.
fn under(headings: &[Option<String>], rows: &[Vec<String>], table: &str) -> String {
    let mut lines = table.lines();
    let mut text: Vec<&str> = lines.next().into_iter().collect();
    for (heading, row) in headings.iter().zip(rows) {
        text.extend(heading.as_deref());
        let height = row.iter().map(|cell| cell.lines().count()).max();
        text.extend(lines.by_ref().take(height.unwrap_or(1).max(1)));
    }
    text.join("\n") + "\n"
}

/// The first cell on its own line, followed by lines with header and cell. With `is_grouped`, the first cell is a heading,
/// and the second has its own line.
fn paragraphs(columns: &[Column], rows: &[Vec<String>], width: usize, is_grouped: bool) -> String {
    const INDENTATION: usize = 2;
    let mut text = Vec::new();
    let headings = if is_grouped { headings(columns, rows, width) } else { vec![None; rows.len()] };
    let first = usize::from(is_grouped);
    for (row, heading) in rows.iter().zip(headings) {
        text.extend(heading);
        let others = columns.iter().zip(row).skip(first + 1);
        let others = others.filter(|(_, cell)| !matches!(cell.as_str(), "" | "-"));
        let others: Vec<_> = others.map(|(column, cell)| format!("{} {cell}", column.header)).collect();
        text.extend(row.get(first).map(|cell| wrap(cell, width)));
        let rest = style::wrap(&others.join(", "), width.saturating_sub(INDENTATION), INDENTATION);
        if !rest.is_empty() {
            text.push(format!("{:INDENTATION$}{rest}", ""));
        }
    }
    text.join("\n") + "\n"
}
