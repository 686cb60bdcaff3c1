-- Which digest a result's bytes came to: bytes may be here before the chain says which digest has won.
ALTER TABLE results ADD COLUMN digest BLOB;

-- Since when a task is at its stage, for people.
ALTER TABLE tasks ADD COLUMN since_secs INTEGER NOT NULL DEFAULT 0;
