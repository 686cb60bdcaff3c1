-- Several workers may bring bytes before the chain says whose digest wins: of each digest those that came first are kept.
CREATE TABLE results_by_digest (
    task     BLOB    NOT NULL,
    digest   BLOB    NOT NULL,
    worker   BLOB    NOT NULL,
    cid      TEXT    NOT NULL,
    length   INTEGER NOT NULL,
    sha256   BLOB    NOT NULL,
    callback BLOB,
    PRIMARY KEY (task, digest)
) STRICT, WITHOUT ROWID;

-- Where an earlier version did not keep the digest, the bytes are asked for once more.
INSERT INTO results_by_digest (task, digest, worker, cid, length, sha256, callback)
SELECT task, coalesce(digest, zeroblob(32)), worker, cid, length, sha256, callback FROM results;

DROP TABLE results;
ALTER TABLE results_by_digest RENAME TO results;
