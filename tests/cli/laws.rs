//! The two laws, as tests.
