//! The order book: where offers and requests are found.
//!
//! Owners publish signed orders, anybody lists them and matches them on chain. The book holds no power: an order
//! is worth what its signature is worth at the hub, and a market that lies can only waste its visitors' time. So the
//! one thing to get right is that **what is listed can be matched**: everything the hub would look at is looked at
//! when an order comes in, and again whenever the chain moves.
//!
//! ```text
//!  POST /…orders ─► login ─► terms (the order by itself) ─► law (what the chain says of it) ─► db
//!                                                             ▲                               ▲ │
//!  hub's events ─► truth: look again at every order they touch ┴───────────────────────────────┘ ▼
//!                                                              GET /…orders ◄─ filter ◄──────────┘
//! ```
//!
//! The book is reconciled, never counted along: an event only says *which* orders to look at again, and how much of
//! them is left is asked of the hub. A missed event, a repeated one, a restart and a reorganised chain are then the
//! same path.
//!
//! Deliberately not here: matching (anybody does it), deals and tasks (the chain has them), money.

mod book;
mod db;
mod door;
mod filter;
mod law;
mod login;
mod options;
mod refusal;
mod service;
mod terms;
mod truth;

pub use door::ROUTES;
pub use options::Options;
pub use service::{Error, Handle, Service};
