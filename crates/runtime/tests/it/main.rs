//! Real programs in the sandbox: well-behaved, clumsy and hostile ones, as modules and as components.

extern crate oxec_runtime as runtime; // as everybody else knows it

mod bench;
mod contract;
mod determinism;
mod hostile;
mod support;
