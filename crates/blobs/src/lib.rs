//! Content-addressed bytes: apps, inputs and results, known by what they contain.
//!
//! Untrusted parties hand each other files here, so a blob's name is its address: whoever holds the name can check
//! the bytes, whoever changes the bytes cannot keep the name. Addresses are those IPFS gives the same file
//! ([`address`]), so any blob can also be found there.
//!
//! ```text
//! stream ─► Store::writer ─► hash while writing to a temporary file ─► fsync ─► rename to its address
//!                                                                                     │
//!             Client::download, checked while it streams ◄── door (GET /ipfs/<cid>) ◄─┘
//! ```
//!
//! [`Store`] keeps them in a folder, [`door`] serves and takes them over HTTP, [`Client`] is the other end of a
//! door, and [`fetch_url`] brings in files from anywhere else on the web.
//!
//! Deliberately not here: who may read or write (the service that opens the door decides), how long a blob is
//! kept (its keeper calls [`Store::remove`]), and the exchange of blocks with IPFS nodes.

pub mod address;
mod client;
mod door;
mod error;
mod landing;
mod reach;
mod serve;
mod store;

pub use address::{Address, Hasher, Stored};
pub use client::{Client, Fetched, fetch_url};
pub use door::{DoorOptions, door};
pub use error::BlobError;
pub use reach::Reach;
pub use serve::{ServeOptions, serve};
pub use store::{Blob, Listed, Store, Writer};
