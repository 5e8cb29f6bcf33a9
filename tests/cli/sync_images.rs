//! The happy path: what is found, copied, verified and rewritten, and that a second run has nothing to do.
