//! The chains of tests do what they are told, whichever they are (`OXEC_TEST_CHAIN`), and the proxy spoils what it is
//! told to spoil.

mod chain;
mod proxy;
