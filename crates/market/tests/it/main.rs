//! The market against a real chain in this process, with the real contracts and a real database.

// The name everybody else knows it by.
mod bad_input;
mod life;
mod town;
