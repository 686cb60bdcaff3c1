//! Whole lives of the market, played on the plain twin and on the contracts themselves.

mod chain;
mod deed;
mod law;
mod life;
mod nouns;
mod people;
mod seeds;
mod town;
mod words;

mod devchain;
mod faults;
mod lives;
mod twin;
mod walk;
