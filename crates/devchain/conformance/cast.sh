# What somebody does with a node through cast. Nothing is checked here but that it goes through: every request and
# answer is compared with the other node's.
set -eu

key=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
me=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
zero=0x0000000000000000000000000000000000000000
word=0000000000000000000000000000000000000000000000000000000000000007
export ETH_RPC_URL="$RPC_URL"
# What nodes suggest to pay differs, and with it transactions and their hashes.
price="--gas-price 10gwei"
fees="$price --priority-gas-price 1gwei"

cast() { "$CAST" "$@" >/dev/null; }
refused() { if "$CAST" "$@" >/dev/null 2>&1; then echo "not refused: $*" >&2; exit 1; fi; }

cast chain-id
cast client
cast block-number
cast gas-price
cast base-fee
cast balance $me
cast nonce $me

cast send --private-key $key $fees --create "$BOX_CODE"
box=$("$CAST" compute-address --nonce 0 $me | sed 's/.*: //')
cast code $box
cast codesize $box
cast send --private-key $key $fees $box 0x01$word
cast send --private-key $key $price --legacy $box 0x01$word
cast send --private-key $key $fees --gas-limit 100000 --access-list '[]' $box 0x01$word
hash=$("$CAST" send --private-key $key $fees --json $zero --value 5 | sed 's/.*"transactionHash":"\([^"]*\)".*/\1/')
cast tx $hash
cast receipt $hash
cast storage $box 0
cast call $box
cast call --block 2 $box
cast estimate --from $me $box 0x01$word
cast access-list --from $me $box 0x01$word
for tag in latest safe finalized earliest 1; do cast block $tag; done
cast block --full latest
cast age latest
cast logs --from-block 0 --address $box
cast find-block 0
cast tx-pool status
cast rpc eth_getBlockReceipts latest
cast rpc eth_feeHistory 0x2 latest '[25,75]'
cast rpc evm_mine

refused call $box 0x0208c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000026e6f000000000000000000000000000000000000000000000000000000000000
refused estimate $box 0x02deadbeef
refused send --private-key $key $fees $zero --value 1000000ether
refused send --private-key $key $fees --nonce 0 --gas-limit 21000 $zero
refused rpc eth_noSuchMethod
