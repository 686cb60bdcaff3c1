//! One file per command; each reads its arguments, does the thing through the rooms below, and answers.

pub mod account;
pub mod app;
pub mod chain;
pub mod deal;
pub mod demo;
pub mod market;
pub mod result;
pub mod run;
pub mod scheduler;
pub mod task;
pub mod up;
pub mod wallet;
pub mod worker;
