//! order book, validated and kept true, over HTTP
