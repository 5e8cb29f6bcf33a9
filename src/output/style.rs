//! Colours result words, whose text has the same meaning. `anstream` removes colours if the output is not a terminal or
//! `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

/// The style of a result word; plain for any other.
fn style(word: &str) -> Style {
    match word {
        "Pass" => AnsiColor::Green.on_default(),
        "Warn" => AnsiColor::Yellow.on_default(),
        "Fail" => AnsiColor::Red.on_default().bold(),
        "Unknown" => AnsiColor::Cyan.on_default(),
        "Skipped" | "Ignored" => Style::new().dimmed(),
        _ => Style::new(),
    }
}

/// A result word in its colour.
pub fn result(word: &str) -> String {
    let style = style(word);
    format!("{style}{word}{style:#}")
}

/// A rendered table with coloured result words: whole cells, which are at least two spaces apart.
pub fn results(table: &str) -> String {
    let line = |line: &str| {
        let pieces = line.split("  ").map(|piece| {
            let word = piece.trim_start();
            let indentation = &piece[..piece.len() - word.len()];
            format!("{indentation}{}", result(word))
        });
        pieces.collect::<Vec<_>>().join("  ")
    };
    table.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// `text` in lines of at most `width` characters, broken at spaces, with all lines but the first indented. Longer words
/// are not broken, so that they can be copied.
pub fn wrap(text: &str, width: usize, indentation: usize) -> String {
    let mut wrapped = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let characters = word.chars().count();
        if length > 0 && length + 1 + characters > width {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indentation));
            length = 0;
        } else if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        wrapped.push_str(word);
        length += characters;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_cells_are_coloured_and_nothing_else_changes() {
        let table = "RESULT   CHECK\nFail     Pass the port\nUnknown  x  Skipped\n";
        let coloured = results(table);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), table);
        assert!(coloured.contains("\u{1b}[1m\u{1b}[31mFail\u{1b}[0m     Pass the port"), "{coloured:?}");
        assert_eq!(results("nothing here\n"), "nothing here\n");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7, 2), "one two\n  three");
        assert_eq!(wrap("a https://long.example b", 6, 1), "a\n https://long.example\n b");
        assert_eq!(wrap("", 5, 2), "");
    }
}
