//! Whole lives of the market, played on the plain twin and on the contracts themselves.

mod chain;
mod life;
mod people;
mod town;

mod lives;
mod twin;
mod walk;
