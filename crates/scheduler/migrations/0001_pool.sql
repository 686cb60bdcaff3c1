-- What a scheduler remembers. All of it but the bytes named in pins and results can be read from the chain again;
-- those two are what makes every worker of a task, before and after a restart, see the same bytes.

-- One row: which chain and pool this is about, and the block to be read next.
CREATE TABLE pool (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    chain_id   INTEGER NOT NULL,
    hub        BLOB    NOT NULL,
    workerpool BLOB    NOT NULL,
    next_block INTEGER NOT NULL
) STRICT;

CREATE TABLE deals (
    id         BLOB    PRIMARY KEY,
    block      INTEGER NOT NULL,           -- where it was made
    next_index INTEGER NOT NULL,           -- first task not taken up yet
    end_index  INTEGER NOT NULL,           -- one past its last task
    completed  INTEGER NOT NULL,
    claimed    INTEGER NOT NULL,
    failure    TEXT,                       -- why its app or inputs cannot be had
    open       INTEGER NOT NULL            -- 1 while it has tasks to do
) STRICT, WITHOUT ROWID;

CREATE INDEX deals_open ON deals (id) WHERE open = 1;

-- The app (place 0) and the inputs (1, 2, …) of a deal, as every worker gets them.
CREATE TABLE pins (
    deal   BLOB    NOT NULL,
    place  INTEGER NOT NULL,
    url    TEXT    NOT NULL,
    cid    TEXT    NOT NULL,
    length INTEGER NOT NULL,
    sha256 BLOB    NOT NULL,
    PRIMARY KEY (deal, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id            BLOB    PRIMARY KEY,
    deal          BLOB    NOT NULL,
    position      INTEGER NOT NULL,        -- index within the request order
    stage         TEXT    NOT NULL,        -- unset, active, revealing, completed, claimed
    consensus     BLOB,
    deadline_secs INTEGER,                 -- to reveal
    given_up      TEXT,
    closed_block  INTEGER                  -- about where it was completed or claimed
) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_open ON tasks (deal) WHERE stage IN ('unset', 'active', 'revealing');
CREATE INDEX tasks_closed ON tasks (closed_block) WHERE closed_block IS NOT NULL;

-- One row per try of one worker, in the order of the tries.
CREATE TABLE replicas (
    task          BLOB    NOT NULL,
    place         INTEGER NOT NULL,
    worker        BLOB    NOT NULL,
    state         TEXT    NOT NULL,
    since_secs    INTEGER NOT NULL,
    uploads_asked INTEGER NOT NULL,
    hash          BLOB,                    -- of the contribution
    digest        BLOB,                    -- revealed
    failure       TEXT,                    -- JSON
    PRIMARY KEY (task, place)
) STRICT, WITHOUT ROWID;

-- Bytes of results, checked against the digest on chain.
CREATE TABLE results (
    task     BLOB    PRIMARY KEY,
    worker   BLOB    NOT NULL,
    cid      TEXT    NOT NULL,
    length   INTEGER NOT NULL,
    sha256   BLOB    NOT NULL,
    callback BLOB
) STRICT, WITHOUT ROWID;
