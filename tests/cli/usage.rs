//! The command line itself: help, wrong usage, output formats.
