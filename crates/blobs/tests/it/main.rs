//! The crate from outside: a store on a real disk, a door on a real port.

// The name everybody else knows it by.
mod door;
mod store;

/// Bytes that differ from chunk to chunk.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i + i / 251) % 251) as u8).collect()
}
