-- What merchants search in, a second time: the texts of many payments, or of many of their
-- transfers, in one row, which is read and looked through at once. Only what never changes
-- is in it; what is in no row yet is read where it is. Nothing else depends on it.
CREATE TABLE search_packs (
	merchant TEXT     NOT NULL,
	dialect  TEXT     NOT NULL,
	kind     TEXT     NOT NULL, -- "payments" or "transfers"
	id       TEXT     NOT NULL,
	entries  {{BLOB}} NOT NULL, -- whose texts they are, and how long
	texts    {{BLOB}} NOT NULL, -- in lower case
	PRIMARY KEY (merchant, dialect, kind, id)
);

-- The only transfers of a merchant that no index finds.
CREATE INDEX transfers_dropped ON transfers (merchant, dialect, key) WHERE stage = 'dropped';
CREATE INDEX transfers_old_dropped ON transfers_old (merchant, dialect, key) WHERE stage = 'dropped';
