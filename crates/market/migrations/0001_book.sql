-- The book. One row per order ever published and not withdrawn; closed ones stay, so that their hash can be looked up.
-- Hashes, addresses and 256-bit numbers are big-endian bytes: they compare as the numbers do.

CREATE TABLE orders (
    sequence      INTEGER PRIMARY KEY,
    hash          BLOB    NOT NULL UNIQUE,
    kind          INTEGER NOT NULL,          -- 0 app, 1 dataset, 2 workerpool, 3 request
    signer        BLOB    NOT NULL,
    -- Of the one on offer (or asking) itself; of the others whom the order is restricted to, zero for nobody in particular.
    app           BLOB    NOT NULL,
    dataset       BLOB    NOT NULL,
    workerpool    BLOB    NOT NULL,
    requester     BLOB    NOT NULL,
    beneficiary   BLOB    NOT NULL,
    price         BLOB    NOT NULL,          -- nRLC per task
    rank          BLOB    NOT NULL,          -- best first when ascending
    volume        BLOB    NOT NULL,
    remaining     BLOB    NOT NULL,
    category      BLOB    NOT NULL,
    trust         BLOB    NOT NULL,
    tag_0         INTEGER NOT NULL,          -- bits 0 to 63, the lowest ones; then 64 to 127 and so on
    tag_1         INTEGER NOT NULL,
    tag_2         INTEGER NOT NULL,
    tag_3         INTEGER NOT NULL,
    stake         BLOB    NOT NULL,          -- nRLC a match locks of the signer's account for each task
    body          TEXT    NOT NULL,          -- the signed order, JSON
    status        TEXT    NOT NULL,          -- open, filled, canceled, dead
    published_ms  INTEGER NOT NULL,
    changed_block INTEGER NOT NULL           -- the last block that changed what remains
);

CREATE INDEX open_orders_by_rank       ON orders (kind, rank, published_ms, hash) WHERE status = 'open';
CREATE INDEX open_orders_by_app        ON orders (kind, app, rank, published_ms, hash) WHERE status = 'open';
CREATE INDEX open_orders_by_dataset    ON orders (kind, dataset, rank, published_ms, hash) WHERE status = 'open';
CREATE INDEX open_orders_by_workerpool ON orders (kind, workerpool, rank, published_ms, hash) WHERE status = 'open';
CREATE INDEX open_orders_by_requester  ON orders (kind, requester, rank, published_ms, hash) WHERE status = 'open';
CREATE INDEX open_orders_by_category   ON orders (kind, category, rank, published_ms, hash) WHERE status = 'open';
CREATE INDEX orders_by_signer          ON orders (signer, kind, status);
CREATE INDEX orders_by_change          ON orders (changed_block);

-- For which hub the book is kept, and how far its chain has been followed. One row.
CREATE TABLE book (
    id             INTEGER PRIMARY KEY CHECK (id = 0),
    chain_id       INTEGER NOT NULL,
    hub            BLOB    NOT NULL,
    followed_block INTEGER NOT NULL
);
