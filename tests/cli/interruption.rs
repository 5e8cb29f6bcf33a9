//! kill -9 and Ctrl-C in the middle.
