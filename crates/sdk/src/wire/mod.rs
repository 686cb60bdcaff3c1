//! The words that services and their clients share over HTTP and WebSocket, so that market, scheduler and worker
//! never import each other.

pub mod market;
pub mod pool;
