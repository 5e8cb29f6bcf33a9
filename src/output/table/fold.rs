//! Folds what repeats in a table.

use std::fmt::Write as _;

use super::{Column, Fold};

/// What is printed for a value that repeats that of the row above.
const DITTO: &str = "\"";

/// Joins consecutive rows that differ only in the columns that may be joined.
pub(super) fn join(columns: &[Column], rows: &mut Vec<Vec<String>>) {
    let is_joined = |index: usize| columns[index].fold == Fold::Joined;
    let Some(joined) = (0..columns.len()).find(|&index| is_joined(index)) else { return };
    rows.dedup_by(|row, above| {
        let is_same = (0..columns.len()).all(|index| is_joined(index) || row[index] == above[index]);
        if is_same && row[joined] != above[joined] {
            // Writing to a string cannot fail.
            let _ = write!(above[joined], ", {}", row[joined]);
        }
        is_same
    });
}

/// Moves the cells of a column that is not shown, if it is one whose values may be joined, to the column before it in rows
/// that nothing else before it tells apart, such as the images of one workload. Whether there are such rows.
pub(super) fn distinguish(columns: &[Column], rows: &mut [Vec<String>], hidden: usize) -> bool {
    if columns[hidden].fold != Fold::Joined || hidden == 0 {
        return false;
    }
    let is_ambiguous = |index: usize| {
        let before = &rows[index][..hidden];
        rows.iter().enumerate().any(|(other, row)| other != index && row[..hidden] == *before)
    };
    let ambiguous: Vec<usize> = (0..rows.len()).filter(|&index| is_ambiguous(index)).collect();
    for &index in &ambiguous {
        let cell = std::mem::replace(&mut rows[index][hidden], "-".to_owned());
        if !matches!(cell.as_str(), "" | "-") {
            // Writing to a string cannot fail.
            let _ = write!(rows[index][hidden - 1], " {cell}");
        }
    }
    !ambiguous.is_empty()
}

/// Removes columns whose value is the same in all of several rows, and returns a line for each.
pub(super) fn share(columns: &mut Vec<Column>, rows: &mut [Vec<String>]) -> String {
    let mut above = String::new();
    if rows.len() < 2 {
        return above;
    }
    for index in (0..columns.len()).rev() {
        let is_foldable = matches!(columns[index].fold, Fold::Shared | Fold::Repeated);
        if is_foldable && rows.iter().all(|row| row[index] == rows[0][index]) {
            let header = columns.remove(index).header.to_lowercase();
            let values: Vec<String> = rows.iter_mut().map(|row| row.remove(index)).collect();
            if let Some(value) = values.first().filter(|value| !matches!(value.as_str(), "" | "-")) {
                above.insert_str(0, &format!("{header}: {value}\n"));
            }
        }
    }
    above
}

/// Whether the first column may become lines above groups of rows.
pub(super) fn is_grouped(columns: &[Column]) -> bool {
    let first = columns.first().filter(|_| columns.len() > 1);
    first.is_some_and(|first| first.fold == Fold::Shared && first.yields.is_some())
}

/// Replaces values that repeat that of the row above.
pub(super) fn mark_repeated(columns: &[Column], rows: &mut [Vec<String>]) {
    for index in (0..columns.len()).filter(|&index| columns[index].fold == Fold::Repeated) {
        for row in (1..rows.len()).rev() {
            let value = &rows[row][index];
            if *value == rows[row - 1][index] && value.chars().count() > DITTO.len() {
                DITTO.clone_into(&mut rows[row][index]);
            }
        }
    }
}
