//! Whole errands: the real program, the real loop, real loopback HTTP. One binary, since each links all.

mod accounts;
mod architecture;
mod bad_input;
mod budget;
mod budget_command;
mod callbacks;
mod callbacks_sent;
mod cli;
mod deck;
mod expectations;
mod kinguin;
mod listen;
mod payer;
mod peer;
mod player;
mod pledg;
mod program;
mod pty;
mod readme;
mod receiver;
mod secrets;
mod secrets_tokens;
mod simulated;
mod terminal;
mod tokens;
