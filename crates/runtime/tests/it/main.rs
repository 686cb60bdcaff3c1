//! Real programs in the sandbox: well-behaved, clumsy and hostile ones, as modules and as components.

mod bench;
mod contract;
mod determinism;
mod hostile;
mod support;
