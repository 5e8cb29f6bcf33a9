//! Preflight: what each fault looks like.
