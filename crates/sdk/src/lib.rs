//! the road everybody drives on: wallet, chain, wire types, one module of verbs per stage
pub mod wire;
