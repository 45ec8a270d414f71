//! Tests of the whole: see `system/`.
