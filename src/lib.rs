//! tilldeck: a terminal console for merchant accounts.

pub mod domain;

pub mod clock;

pub mod config;

pub mod tui;
