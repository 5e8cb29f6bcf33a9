//! Tables as kubectl prints them: no borders, three spaces between columns, no trailing space.

use comfy_table::{ContentArrangement, Table, presets};

use crate::printable::one_line;

/// Longest cell, in characters: a cell is a name or a short sentence.
const CELL_LIMIT: usize = 300;

/// Renders rows under `headers`, with a line break at the end.
pub fn render<const COLUMNS: usize>(headers: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers);
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell, CELL_LIMIT)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A number of bytes as people say it, in powers of ten as ECR's console does.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// A count with its noun: `1 image`, `3 images`.
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
}
