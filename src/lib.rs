//! tilldeck: a terminal console for merchant accounts, with a built-in simulator.
//!
//! The modules below are listed in the order of their layers; each uses only those above it. The path of one
//! request: a key press (as a [`domain::Op`]) or a command calls a function of [`deck::Deck`]; the provider's client in
//! [`providers`] makes a [`providers::Query`] of it; only [`net::Session::send`] sends requests; the query reads the
//! reply as its own type of answer, and the [`ledger`] stores the redacted request.

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
