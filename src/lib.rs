//! tilldeck: a terminal console for merchant accounts, with an embedded simulator.
//!
//! The modules below stand in the order of their layers; each uses only those above it. One question goes
//! through them like this: a key press or a command becomes a [`domain::Op`]; [`deck`] hands it to the
//! provider's client in [`providers`], which makes a [`net::Call`] of it; [`net::Session::send`] is the only
//! way out; the reply comes back as a [`domain::Answer`], and what was sent is in the [`ledger`], redacted.

pub mod domain;

pub mod clock;

pub mod private;

pub mod config;

pub mod ledger;

pub mod net;

pub mod support_log;

pub mod auth;

pub mod http_server;

pub mod callbacks;

pub mod sandbox;

pub mod providers;

pub mod deck;

pub mod tui;

pub mod runtime;

pub mod cli;
