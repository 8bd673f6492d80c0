-- Several nodes on one database, and a database that was left for another.

-- What only one node does at a time. Nobody compares clocks: whoever sees a
-- lease's beat stand still for long enough by its own clock may take it.
CREATE TABLE leases (
	name   TEXT   NOT NULL PRIMARY KEY, -- what it is about: "chain:8453"
	holder TEXT   NOT NULL, -- the process that has it, '' if none
	beat   BIGINT NOT NULL, -- moves on for as long as the holder lives
	news   TEXT   NOT NULL  -- what the holder tells the other nodes, JSON
);

ALTER TABLE jobs ADD COLUMN trace TEXT NOT NULL DEFAULT ''; -- of what enqueued it, a W3C traceparent, '' for none

-- How often a chain was gone back on: whoever read it before that and records it after has
-- read another chain.
ALTER TABLE cursors ADD COLUMN rewound BIGINT NOT NULL DEFAULT 0;

CREATE INDEX jobs_buried ON jobs (id) WHERE state = 'buried';

-- Has one row once everything was moved to another database: nothing is
-- written here from then on.
CREATE TABLE moved (
	one         BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
	destination TEXT   NOT NULL, -- without its password
	at          BIGINT NOT NULL
);
