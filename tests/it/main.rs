//! Whole tasks: the real program, the real loop, real loopback HTTP. One binary, since each links all.

mod accounts;
mod architecture;
mod attack;
mod bad_input;
mod budget;
mod budget_command;
mod callbacks;
mod callbacks_sent;
mod check;
mod check_list;
mod cli;
mod curl_lines;
mod deck;
mod docs;
mod expectations;
mod exports;
mod forwarding;
mod hooks;
mod kinguin;
mod listen;
mod lookups;
mod network;
mod payer;
mod payments;
mod peer;
mod places;
mod player;
mod pledg;
#[cfg(feature = "postgres")]
mod postgres;
mod program;
mod pty;
mod qr;
mod readme;
mod receiver;
mod secrets;
mod secrets_tokens;
#[cfg(feature = "postgres")]
mod shared_ledger;
mod simulated;
mod streams;
mod support_log;
mod terminal;
mod tokens;
mod typing;
mod words;
