-- What was added to handle_marks, in the order of the commits, so that a process can keep
-- up with it and know whether it has: each transaction that adds marks adds a row, with
-- the next number. Those of long ago are deleted; the last one never is.
CREATE TABLE mark_batches (
	batch BIGINT   NOT NULL PRIMARY KEY,
	tag   TEXT     NOT NULL, -- by chance, so that no other history has the same
	marks {{BLOB}} NOT NULL  -- 8 bytes each, the highest first
);
{{ONLY COUNTED MARKS}}
