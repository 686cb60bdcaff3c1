# The menu. Every chore is a cargo command; `just` only saves typing.

# what there is
default:
    @just --list

# the whole walk, with something to look at
demo *args:
    cargo run --release -- demo {{args}}

# a town that stays, on this machine
up *args:
    cargo run --release -- up {{args}}

# every test (add --long for the long runs)
test *args:
    cargo xtask test {{args}}

# our figures beside target and peer
bench:
    cargo xtask bench

# contracts → contracts/abi
abi:
    cargo xtask abi

# gas and bytecode sizes
gas:
    cargo xtask gas
