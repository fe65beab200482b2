//! tilldeck: a terminal console for merchant accounts.

pub mod domain;

pub mod clock;

pub mod http_server;

pub mod sandbox;

pub mod providers;

pub mod tui;
