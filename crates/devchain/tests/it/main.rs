//! The dev node as its users meet it: through HTTP and WebSocket, with a client that knows nothing but JSON, and with
//! alloy's provider.

mod accounts;
mod blocks;
mod calls;
mod clients;
mod conformance;
mod control;
mod disk;
mod following;
mod genesis;
mod logs;
mod nonsense;
mod sending;
mod support;
