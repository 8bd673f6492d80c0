-- The first schema. One text for SQLite and PostgreSQL: {{BLOB}} is the one word
-- that differs between them.
--
-- Everywhere: ids are ULIDs unless said otherwise; amounts are base-10 integers
-- in base units, as text because neither engine has a 256-bit integer; times are
-- microseconds since 1970 UTC, and 0 where there is none; durations are
-- microseconds; JSON is kept as text and never queried into.

CREATE TABLE merchants (
	id         TEXT   NOT NULL PRIMARY KEY,
	name       TEXT   NOT NULL, -- shown to payers
	window_us  BIGINT NOT NULL, -- how long a new payment may be paid, 0 for the server's default
	created_at BIGINT NOT NULL
);

CREATE TABLE credentials (
	id         TEXT   NOT NULL PRIMARY KEY,
	merchant   TEXT   NOT NULL REFERENCES merchants (id),
	kind       TEXT   NOT NULL CHECK (kind IN ('api_key', 'client_id', 'spacepay_secret', 'secpaid_token')),
	hash       TEXT   NOT NULL, -- hex SHA-256 of the secret, which itself is not kept
	hint       TEXT   NOT NULL, -- the secret's first characters
	label      TEXT   NOT NULL, -- the merchant's own name for it
	origins    TEXT   NOT NULL, -- JSON array of allowed origins, '' for none
	created_at BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL  -- 0 while it works
);
CREATE UNIQUE INDEX credentials_by_hash ON credentials (kind, hash);
CREATE INDEX credentials_by_merchant ON credentials (merchant, id);

CREATE TABLE endpoints (
	id         TEXT     NOT NULL PRIMARY KEY,
	merchant   TEXT     NOT NULL REFERENCES merchants (id),
	url        TEXT     NOT NULL,
	secret     {{BLOB}} NOT NULL, -- signs deliveries; sealed, bound to the endpoint's id
	client_id  TEXT     NOT NULL, -- '' for all of the merchant's events
	active     BOOLEAN  NOT NULL,
	created_at BIGINT   NOT NULL
);
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (merchant, url);

CREATE TABLE destinations (
	id         TEXT    NOT NULL PRIMARY KEY,
	merchant   TEXT    NOT NULL REFERENCES merchants (id),
	wallet     TEXT    NOT NULL, -- lower-case address
	chain      BIGINT  NOT NULL, -- EIP-155 id
	token      TEXT    NOT NULL, -- lower-case address, the zero address for the native currency
	active     BOOLEAN NOT NULL,
	created_at BIGINT  NOT NULL
);
CREATE INDEX destinations_by_merchant ON destinations (merchant, id);
CREATE UNIQUE INDEX destinations_active ON destinations (merchant, wallet, chain) WHERE active;

CREATE TABLE payments (
	id               TEXT   NOT NULL PRIMARY KEY,
	merchant         TEXT   NOT NULL REFERENCES merchants (id),
	dialect          TEXT   NOT NULL, -- which API made it
	reference        TEXT   NOT NULL, -- the merchant's own order number
	payer_identifier TEXT   NOT NULL,
	redirect_url     TEXT   NOT NULL,
	redirect_label   TEXT   NOT NULL,
	client_id        TEXT   NOT NULL, -- the client id that created it, '' if a key did
	origin           TEXT   NOT NULL,
	grace_us         BIGINT NOT NULL, -- how much later than expires_at a block may be
	created_at       BIGINT NOT NULL,
	expires_at       BIGINT NOT NULL,
	-- Everything above never changes and may be cached; everything below may change.
	canceled_at      BIGINT NOT NULL, -- 0 unless the merchant called it off
	state            TEXT   NOT NULL CHECK (state IN ('open', 'seen', 'paid', 'failed', 'expired', 'canceled')),
	oddity           TEXT   NOT NULL CHECK (oddity IN ('none', 'under', 'over', 'late')),
	settled_at       BIGINT NOT NULL, -- when the last needed transfer happened, 0 unless paid
	version          BIGINT NOT NULL, -- guards every change
	transfers        BIGINT NOT NULL, -- how many transfers there are, so that a page without any need not ask
	attempts         BIGINT NOT NULL  -- how many attempts there are
);
CREATE INDEX payments_overdue ON payments (expires_at, id) WHERE state = 'open';

CREATE TABLE requests (
	payment    TEXT   NOT NULL REFERENCES payments (id),
	idx        BIGINT NOT NULL, -- position in the payment, from 0
	id         TEXT   NOT NULL, -- public: '01' and 64 hex digits for contract references
	asset      TEXT   NOT NULL, -- what due and fee_amount are counted in
	due        TEXT   NOT NULL,
	payee      TEXT   NOT NULL, -- lower-case address
	fee_share  TEXT   NOT NULL, -- percentage as the merchant gave it
	fee_amount TEXT   NOT NULL, -- '' if there is no fee
	fee_payee  TEXT   NOT NULL,
	salt       TEXT   NOT NULL, -- 16 hex digits
	reference  TEXT   NOT NULL, -- 0x and 16 hex digits: what a contract call carries
	topic      TEXT   NOT NULL, -- 0x and 64 hex digits: what the event log carries
	PRIMARY KEY (payment, idx)
);
CREATE UNIQUE INDEX requests_by_id ON requests (id);

-- Whose money is this: the names by which rails recognise a request.
CREATE TABLE handles (
	rail    TEXT   NOT NULL,
	value   TEXT   NOT NULL, -- what the rail's evidence carries: topic, address, hash, remittance code
	payment TEXT   NOT NULL REFERENCES payments (id),
	request BIGINT NOT NULL, -- idx of the request
	PRIMARY KEY (rail, value)
);

CREATE TABLE transfers (
	key        TEXT   NOT NULL PRIMARY KEY, -- the same fact has the same key
	payment    TEXT   NOT NULL REFERENCES payments (id),
	request    BIGINT NOT NULL, -- idx of the request
	rail       TEXT   NOT NULL, -- who recorded it
	asset      TEXT   NOT NULL,
	amount     TEXT   NOT NULL, -- what arrived
	credit     TEXT   NOT NULL, -- what that is worth to the request, in its asset
	fee        TEXT   NOT NULL, -- what went to the fee's payee, '' if nothing
	stage      TEXT   NOT NULL CHECK (stage IN ('dropped', 'pending', 'final')),
	at         BIGINT NOT NULL, -- block or booking time
	chain      BIGINT NOT NULL, -- EIP-155 id, 0 if there is no chain
	block      BIGINT NOT NULL,
	block_hash TEXT   NOT NULL,
	tx         TEXT   NOT NULL,
	log_index  BIGINT NOT NULL,
	payer      TEXT   NOT NULL  -- EIP-55, '' if not known
);
CREATE INDEX transfers_by_payment ON transfers (payment, at, key);
CREATE INDEX transfers_by_block ON transfers (chain, block);
CREATE INDEX transfers_pending ON transfers (chain, block, block_hash) WHERE stage = 'pending';

CREATE TABLE attempts (
	payment TEXT    NOT NULL REFERENCES payments (id),
	key     TEXT    NOT NULL, -- a second report of the same attempt has the same key
	rail    TEXT    NOT NULL,
	kind    TEXT    NOT NULL,
	chain   BIGINT  NOT NULL,
	handle  TEXT    NOT NULL, -- hash or id
	payer   TEXT    NOT NULL,
	stage   TEXT    NOT NULL CHECK (stage IN ('announced', 'executed', 'abandoned')),
	decides BOOLEAN NOT NULL, -- whether the payment fails with it
	reason  TEXT    NOT NULL, -- why it was abandoned
	until   BIGINT  NOT NULL, -- after that it can no longer happen, 0 if no limit is known
	at      BIGINT  NOT NULL,
	PRIMARY KEY (payment, key)
);

-- Evidence that could not be given to a payment.
CREATE TABLE orphans (
	key        TEXT   NOT NULL PRIMARY KEY, -- the key its transfer would have had
	rail       TEXT   NOT NULL,
	handle     TEXT   NOT NULL,
	reason     TEXT   NOT NULL,
	payment    TEXT   NOT NULL, -- owner of the handle, '' if there is none
	asset      TEXT   NOT NULL, -- token contract
	amount     TEXT   NOT NULL,
	recipient  TEXT   NOT NULL,
	at         BIGINT NOT NULL,
	chain      BIGINT NOT NULL,
	block      BIGINT NOT NULL,
	block_hash TEXT   NOT NULL,
	tx         TEXT   NOT NULL,
	log_index  BIGINT NOT NULL,
	payer      TEXT   NOT NULL
);
CREATE INDEX orphans_by_time ON orphans (at, key);

-- A payment's log, and the outbox of its webhooks.
CREATE TABLE events (
	payment  TEXT   NOT NULL REFERENCES payments (id),
	seq      BIGINT NOT NULL, -- from 1 in each payment, in the order of appending
	id       TEXT   NOT NULL,
	merchant TEXT   NOT NULL,
	dialect  TEXT   NOT NULL,
	kind     TEXT   NOT NULL,
	request  BIGINT NOT NULL, -- idx of the request concerned, -1 for the payment as a whole
	transfer TEXT   NOT NULL, -- JSON snapshot of the fact behind it, '' if none
	standing TEXT   NOT NULL, -- JSON snapshot of the request's standing, '' if none
	detail   TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	PRIMARY KEY (payment, seq)
);
CREATE UNIQUE INDEX events_by_id ON events (id);

-- One message on its way to one endpoint. Endpoints may be deleted, so there is
-- no foreign key on them.
CREATE TABLE deliveries (
	id          TEXT     NOT NULL PRIMARY KEY,
	event_id    TEXT     NOT NULL, -- '' for a test
	payment     TEXT     NOT NULL,
	merchant    TEXT     NOT NULL,
	endpoint    TEXT     NOT NULL,
	dialect     TEXT     NOT NULL,
	event       TEXT     NOT NULL, -- the dialect's name for it
	body        {{BLOB}} NOT NULL, -- the bytes that are sent and signed
	test        BOOLEAN  NOT NULL,
	state       TEXT     NOT NULL CHECK (state IN ('queued', 'delivered', 'exhausted')),
	attempts    BIGINT   NOT NULL,
	next_at     BIGINT   NOT NULL,
	created_at  BIGINT   NOT NULL,
	last_at     BIGINT   NOT NULL, -- of the last attempt, 0 before the first
	last_status BIGINT   NOT NULL, -- HTTP status, 0 if none was received
	last_error  TEXT     NOT NULL,
	last_us     BIGINT   NOT NULL  -- how long it took
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, endpoint, event) WHERE event_id <> '';
CREATE INDEX deliveries_by_merchant ON deliveries (merchant, id);
CREATE INDEX deliveries_by_payment ON deliveries (payment, id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);

CREATE TABLE jobs (
	id           TEXT   NOT NULL PRIMARY KEY,
	kind         TEXT   NOT NULL, -- selects the handler
	args         TEXT   NOT NULL, -- what the handler needs, usually an id
	state        TEXT   NOT NULL CHECK (state IN ('ready', 'buried')),
	run_at       BIGINT NOT NULL, -- due from then on
	leased_until BIGINT NOT NULL, -- a worker has it until then, 0 if none has
	attempt      BIGINT NOT NULL, -- how often it was claimed
	why          TEXT   NOT NULL  -- what the last run said, for people
);
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state = 'ready';

-- What was answered to a request that carried an idempotency key.
CREATE TABLE idempotency (
	merchant     TEXT     NOT NULL,
	route        TEXT     NOT NULL,
	key          TEXT     NOT NULL, -- the client's own
	request_hash TEXT     NOT NULL, -- hex SHA-256
	status       BIGINT   NOT NULL,
	body         {{BLOB}} NOT NULL,
	at           BIGINT   NOT NULL,
	PRIMARY KEY (merchant, route, key)
);
CREATE INDEX idempotency_by_age ON idempotency (at);

-- How far each chain was scanned.
CREATE TABLE cursors (
	chain BIGINT NOT NULL PRIMARY KEY,
	head  BIGINT NOT NULL, -- the newest processed block; guards against a second scanner
	final BIGINT NOT NULL  -- nothing at or below is ever taken back
);
CREATE TABLE checkpoints (
	chain  BIGINT NOT NULL,
	number BIGINT NOT NULL,
	hash   TEXT   NOT NULL,
	time   BIGINT NOT NULL,
	PRIMARY KEY (chain, number)
);
