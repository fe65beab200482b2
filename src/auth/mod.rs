//! Tokens and signatures.

pub mod sign;
