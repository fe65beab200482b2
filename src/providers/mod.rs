//! The payment providers, one folder each.

pub mod kanga;
