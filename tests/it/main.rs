//! Whole errands: the real program, the real loop, real loopback HTTP. One binary, since each links all.

mod accounts;
mod architecture;
mod bad_input;
mod budget;
mod budget_command;
mod cli;
mod deck;
mod kinguin;
mod peer;
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
