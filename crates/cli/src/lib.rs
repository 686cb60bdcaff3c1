//! a marketplace for computing, settled on Ethereum: every role is a subcommand
