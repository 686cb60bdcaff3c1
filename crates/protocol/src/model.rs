//! The plain twin of the hub.
