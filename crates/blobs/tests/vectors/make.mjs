// Makes vectors.json: content addresses by IPFS's own importer, for the tests of `blobs::address`.
//
//   cd "$(mktemp -d)" && npm install ipfs-unixfs-importer@16.1.5 blockstore-core@7.0.1
//   cp <here>/make.mjs . && node make.mjs > <here>/vectors.json
//
// Byte i of every file is (i + floor(i / 251)) mod 251, so that no two chunks are alike. The small shapes (few bytes per chunk, few links
// per node) reach trees that would need terabytes in the real one.

import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { BlackHoleBlockstore } from 'blockstore-core/black-hole'

const CHUNK = 262144
const LINKS = 174

async function address (length, chunkBytes, linksPerNode) {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i + Math.floor(i / 251)) % 251
  const options = {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    wrapWithDirectory: false,
    chunker: fixedSize({ chunkSize: chunkBytes }),
    layout: balanced({ maxChildrenPerNode: linksPerNode })
  }
  let root
  for await (const entry of importer([{ content: [bytes] }], new BlackHoleBlockstore(), options)) root = entry.cid
  return root.toString()
}

const cases = []
for (const length of [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7, LINKS * CHUNK, LINKS * CHUNK + 1, (LINKS + 1) * CHUNK + 5]) {
  cases.push([CHUNK, LINKS, length])
}
for (const [chunk, links] of [[1, 2], [4, 3], [7, 5], [300, 2]]) {
  const level = chunk * links
  for (const length of [0, 1, chunk, chunk + 1, level - 1, level, level + 1, level * links, level * links + 1, level * links * links, level * links * links + 1, 5 * level * links + 3]) {
    cases.push([chunk, links, length])
  }
}
const vectors = []
for (const [chunk_bytes, links_per_node, length] of cases) {
  vectors.push(JSON.stringify({ chunk_bytes, links_per_node, length, cid: await address(length, chunk_bytes, links_per_node) }))
}
console.log('[\n  ' + vectors.join(',\n  ') + '\n]')
