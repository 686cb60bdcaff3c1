//! End to end: the whole town, and what must be true of it whatever happens.

mod misfortune;
mod misuse;
mod walk;
