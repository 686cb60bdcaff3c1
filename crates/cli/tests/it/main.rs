//! The `oxec` binary, run as a person runs it.

mod command_line;
mod help;
mod process;
mod roles;
