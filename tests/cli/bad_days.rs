//! Bad days: each a clear message on the right object, the right exit code, and nothing half done.
