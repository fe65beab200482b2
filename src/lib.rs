//! tilldeck: a terminal console for merchant accounts.

pub mod domain;

pub mod clock;

pub mod config;

pub mod ledger;

pub mod tui;
