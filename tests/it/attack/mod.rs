//! Attacks on the promises that the README makes, one file for each kind of attacker. Short ones run with all tests;
//! long ones are ignored there and run by `.ci/long`, which prints their figures as a table.

#[cfg(feature = "postgres")]
mod balancer;
mod coordination;
mod corpus;
mod counting;
mod exports;
mod field;
mod files;
mod hostile_text;
mod planted_secrets;
mod process;
mod receiver;
#[cfg(feature = "postgres")]
mod receivers;
mod soak;
#[cfg(feature = "postgres")]
mod team;
mod terminal;
