//! The terminal that bars are drawn on.
//!
//! indicatif fills each row up to the width of the terminal, so that the next one begins below it. A terminal that
//! becomes narrower then wraps all of them again, and a redraw does not find what it drew. Here each row ends with a line
//! break instead.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;
use indicatif::TermLike;

use super::bar::LINE_LIMIT;

#[derive(Debug)]
pub(super) struct Rows {
    terminal: Term,
    /// Whether the cursor is a row below the one that was written last, where indicatif expects it.
    is_below: AtomicBool,
}

impl Rows {
    pub(super) fn on_stderr() -> Self {
        Self { terminal: Term::buffered_stderr(), is_below: AtomicBool::new(false) }
    }

    /// Whether the cursor was below; it no longer is.
    fn take_below(&self) -> bool {
        self.is_below.swap(false, Ordering::Relaxed)
    }
}

impl TermLike for Rows {
    fn width(&self) -> u16 {
        let limit = u16::try_from(LINE_LIMIT + 1).unwrap_or(u16::MAX);
        self.terminal.size().1.min(limit)
    }

    fn height(&self) -> u16 {
        // The cursor needs a row of its own.
        self.terminal.size().0.saturating_sub(1)
    }

    fn move_cursor_up(&self, rows: usize) -> io::Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let below = usize::from(self.take_below());
        self.terminal.move_cursor_up(rows + below)
    }

    fn move_cursor_down(&self, rows: usize) -> io::Result<()> {
        self.terminal.move_cursor_down(rows)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.terminal.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.terminal.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.is_below.store(false, Ordering::Relaxed);
        self.terminal.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // What fills the row.
        if text.bytes().all(|byte| byte == b' ') {
            self.is_below.store(true, Ordering::Relaxed);
            return self.terminal.write_line("");
        }
        self.is_below.store(false, Ordering::Relaxed);
        self.terminal.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        if self.take_below() {
            self.terminal.move_cursor_up(1)?;
        }
        self.terminal.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.terminal.flush()
    }
}
