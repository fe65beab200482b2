//! Kanga TPG.

pub mod sandbox;
