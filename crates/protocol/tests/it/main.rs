//! Whole lives of the market, played on the plain twin and on the contracts themselves.

extern crate oxec_protocol as protocol;

mod chain;
mod life;
mod people;
mod town;

mod lives;
mod twin;
mod walk;
