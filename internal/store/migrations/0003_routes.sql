-- Transfers over bridges. An attempt carries what left the payer and what the
-- bridge says of it; a transfer that a bridge brought, where it came from. The
-- table of attempts is made anew because not every engine changes a check.
CREATE TABLE attempts_with_routes (
	payment TEXT    NOT NULL REFERENCES payments (id),
	key     TEXT    NOT NULL, -- a second report of the same attempt has the same key
	rail    TEXT    NOT NULL,
	kind    TEXT    NOT NULL,
	chain   BIGINT  NOT NULL,
	handle  TEXT    NOT NULL, -- hash or id
	payer   TEXT    NOT NULL,
	stage   TEXT    NOT NULL CHECK (stage IN ('announced', 'proven', 'executed', 'abandoned')),
	decides BOOLEAN NOT NULL, -- whether the payment fails with it
	reason  TEXT    NOT NULL, -- why it was abandoned
	until   BIGINT  NOT NULL, -- after that it can no longer happen, 0 if no limit is known
	at      BIGINT  NOT NULL,
	route   TEXT    NOT NULL DEFAULT '', -- JSON, '' for all but transfers over bridges
	route_id TEXT   NOT NULL DEFAULT '', -- the route's own id, '' until it is proven
	PRIMARY KEY (payment, key)
);
INSERT INTO attempts_with_routes (payment, key, rail, kind, chain, handle, payer, stage, decides, reason, until, at, route)
 SELECT payment, key, rail, kind, chain, handle, payer, stage, decides, reason, until, at, '' FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_with_routes RENAME TO attempts;
CREATE INDEX attempts_by_route ON attempts (route_id) WHERE route_id <> '';

ALTER TABLE transfers ADD COLUMN route TEXT NOT NULL DEFAULT ''; -- the bridge transfer that brought it, '' if none did
ALTER TABLE transfers ADD COLUMN source_chain BIGINT NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN source_tx TEXT NOT NULL DEFAULT '';
ALTER TABLE transfers ADD COLUMN source_asset TEXT NOT NULL DEFAULT '';
ALTER TABLE transfers ADD COLUMN source_amount TEXT NOT NULL DEFAULT '';
CREATE INDEX transfers_by_source_tx ON transfers (source_tx) WHERE source_tx <> '';
CREATE INDEX transfers_search_route ON transfers (merchant, at, key) WHERE stage = 'final' AND route <> '';

-- Bridge transfers, anybody's, that arrived while the call they were meant for
-- failed: who looks for one may prove only later that it was a payment's.
CREATE TABLE recoveries (
	route     TEXT   NOT NULL,
	chain     BIGINT NOT NULL, -- where it arrived
	tx        TEXT   NOT NULL,
	token     TEXT   NOT NULL, -- lower-case address
	receiver  TEXT   NOT NULL, -- lower-case address of who has the money
	amount    TEXT   NOT NULL, -- base units
	at        BIGINT NOT NULL, -- the block's time
	forget_at BIGINT NOT NULL,
	PRIMARY KEY (route, chain, tx, token, receiver, amount)
);
CREATE INDEX recoveries_by_age ON recoveries (forget_at);
