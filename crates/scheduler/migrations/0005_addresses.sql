-- Before a blob is removed it is asked whether anything names it.
CREATE INDEX pins_by_address ON pins (cid);
CREATE INDEX results_by_address ON results (cid);
