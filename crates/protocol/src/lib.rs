//! the law in Rust, pure: the seven stages as types and rules, and the plain twin of the hub
