-- Closed payments of long ago: the same rows, out of the way of those that are
-- written and looked up all day. A payment is in one of the two places with
-- everything that is its own, and moves in one transaction, here and back. The
-- columns are the same in the same order: whoever adds one adds it to both.
CREATE TABLE payments_old (
	id                   TEXT    NOT NULL PRIMARY KEY,
	merchant             TEXT    NOT NULL REFERENCES merchants (id),
	dialect              TEXT    NOT NULL,
	reference            TEXT    NOT NULL,
	payer_identifier     TEXT    NOT NULL,
	redirect_url         TEXT    NOT NULL,
	redirect_label       TEXT    NOT NULL,
	client_id            TEXT    NOT NULL,
	origin               TEXT    NOT NULL,
	grace_us             BIGINT  NOT NULL,
	created_at           BIGINT  NOT NULL,
	expires_at           BIGINT  NOT NULL,
	canceled_at          BIGINT  NOT NULL,
	state                TEXT    NOT NULL,
	oddity               TEXT    NOT NULL,
	settled_at           BIGINT  NOT NULL,
	version              BIGINT  NOT NULL,
	transfers            BIGINT  NOT NULL,
	attempts             BIGINT  NOT NULL,
	flow                 TEXT    NOT NULL,
	recipient_identifier TEXT    NOT NULL,
	creator              TEXT    NOT NULL,
	access               TEXT    NOT NULL,
	alias                TEXT    NOT NULL,
	secret_hash          TEXT    NOT NULL,
	metadata             TEXT    NOT NULL,
	quotes               BIGINT  NOT NULL,
	part                 BOOLEAN NOT NULL,
	canceled_by          TEXT    NOT NULL,
	payer_cancels        BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX payments_old_by_alias ON payments_old (dialect, alias) WHERE alias <> '';
CREATE INDEX payments_old_listed ON payments_old (merchant, dialect, created_at, id, state, part, canceled_by) WHERE alias <> '';
CREATE INDEX payments_old_paid ON payments_old (merchant, dialect, settled_at, id, state, part, canceled_by) WHERE alias <> '';

CREATE TABLE requests_old (
	payment    TEXT   NOT NULL REFERENCES payments_old (id),
	idx        BIGINT NOT NULL,
	id         TEXT   NOT NULL,
	asset      TEXT   NOT NULL,
	due        TEXT   NOT NULL,
	payee      TEXT   NOT NULL,
	fee_share  TEXT   NOT NULL,
	fee_amount TEXT   NOT NULL,
	fee_payee  TEXT   NOT NULL,
	salt       TEXT   NOT NULL,
	reference  TEXT   NOT NULL,
	topic      TEXT   NOT NULL,
	chain      BIGINT NOT NULL,
	bank       TEXT   NOT NULL,
	PRIMARY KEY (payment, idx)
);
CREATE UNIQUE INDEX requests_old_by_id ON requests_old (id);
CREATE INDEX requests_old_by_reference ON requests_old (reference);

CREATE TABLE handles_old (
	rail    TEXT   NOT NULL,
	value   TEXT   NOT NULL,
	payment TEXT   NOT NULL REFERENCES payments_old (id),
	request BIGINT NOT NULL,
	PRIMARY KEY (rail, value)
);
CREATE INDEX handles_old_by_payment ON handles_old (payment);

CREATE TABLE transfers_old (
	key           TEXT   NOT NULL PRIMARY KEY,
	payment       TEXT   NOT NULL REFERENCES payments_old (id),
	request       BIGINT NOT NULL,
	rail          TEXT   NOT NULL,
	asset         TEXT   NOT NULL,
	amount        TEXT   NOT NULL,
	credit        TEXT   NOT NULL,
	fee           TEXT   NOT NULL,
	stage         TEXT   NOT NULL,
	at            BIGINT NOT NULL,
	chain         BIGINT NOT NULL,
	block         BIGINT NOT NULL,
	block_hash    TEXT   NOT NULL,
	tx            TEXT   NOT NULL,
	log_index     BIGINT NOT NULL,
	payer         TEXT   NOT NULL,
	merchant      TEXT   NOT NULL,
	client_id     TEXT   NOT NULL,
	payee         TEXT   NOT NULL,
	invoiced      TEXT   NOT NULL,
	reference     TEXT   NOT NULL,
	route         TEXT   NOT NULL,
	source_chain  BIGINT NOT NULL,
	source_tx     TEXT   NOT NULL,
	source_asset  TEXT   NOT NULL,
	source_amount TEXT   NOT NULL,
	quote         TEXT   NOT NULL,
	dialect       TEXT   NOT NULL
);
CREATE INDEX transfers_old_by_payment ON transfers_old (payment, at, key);
CREATE INDEX transfers_old_by_tx ON transfers_old (tx);
CREATE INDEX transfers_old_search ON transfers_old (merchant, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_search_client ON transfers_old (merchant, client_id, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_search_payer ON transfers_old (merchant, payer, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_search_payee ON transfers_old (merchant, payee, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_search_asset ON transfers_old (merchant, asset, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_search_reference ON transfers_old (merchant, reference, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_search_invoiced ON transfers_old (merchant, invoiced, at, key) WHERE stage = 'final';
CREATE INDEX transfers_old_by_source_tx ON transfers_old (source_tx) WHERE source_tx <> '';
CREATE INDEX transfers_old_search_route ON transfers_old (merchant, at, key) WHERE stage = 'final' AND route <> '';
CREATE INDEX transfers_old_income ON transfers_old (merchant, dialect, at, key) WHERE stage <> 'dropped';

CREATE TABLE attempts_old (
	payment  TEXT    NOT NULL REFERENCES payments_old (id),
	key      TEXT    NOT NULL,
	rail     TEXT    NOT NULL,
	kind     TEXT    NOT NULL,
	chain    BIGINT  NOT NULL,
	handle   TEXT    NOT NULL,
	payer    TEXT    NOT NULL,
	stage    TEXT    NOT NULL,
	decides  BOOLEAN NOT NULL,
	reason   TEXT    NOT NULL,
	until    BIGINT  NOT NULL,
	at       BIGINT  NOT NULL,
	route    TEXT    NOT NULL,
	route_id TEXT    NOT NULL,
	safe     TEXT    NOT NULL,
	op       TEXT    NOT NULL,
	owner    TEXT    NOT NULL,
	PRIMARY KEY (payment, key)
);
CREATE INDEX attempts_old_by_route ON attempts_old (route_id) WHERE route_id <> '';
CREATE INDEX attempts_old_by_owner ON attempts_old (owner, payment, payer) WHERE owner <> '';

CREATE TABLE events_old (
	payment  TEXT   NOT NULL REFERENCES payments_old (id),
	seq      BIGINT NOT NULL,
	id       TEXT   NOT NULL,
	merchant TEXT   NOT NULL,
	dialect  TEXT   NOT NULL,
	kind     TEXT   NOT NULL,
	request  BIGINT NOT NULL,
	transfer TEXT   NOT NULL,
	standing TEXT   NOT NULL,
	detail   TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	fields   TEXT   NOT NULL,
	PRIMARY KEY (payment, seq)
);
CREATE UNIQUE INDEX events_old_by_id ON events_old (id);
CREATE INDEX events_old_refunds ON events_old (merchant, dialect, at, id) WHERE kind = 'refunded';

CREATE TABLE quotes_old (
	id         TEXT    NOT NULL PRIMARY KEY,
	payment    TEXT    NOT NULL REFERENCES payments_old (id),
	request    BIGINT  NOT NULL,
	asset      TEXT    NOT NULL,
	chain      BIGINT  NOT NULL,
	due        TEXT    NOT NULL,
	units      TEXT    NOT NULL,
	price      TEXT    NOT NULL,
	price_at   BIGINT  NOT NULL,
	source     TEXT    NOT NULL,
	created_at BIGINT  NOT NULL,
	expires_at BIGINT  NOT NULL,
	asked      BOOLEAN NOT NULL
);
CREATE INDEX quotes_old_by_payment ON quotes_old (payment, created_at, id);

CREATE TABLE screenings_old (
	payment   TEXT   NOT NULL REFERENCES payments_old (id),
	role      TEXT   NOT NULL,
	wallet    TEXT   NOT NULL,
	status    TEXT   NOT NULL,
	reason    TEXT   NOT NULL,
	provider  TEXT   NOT NULL,
	reference TEXT   NOT NULL,
	report    TEXT   NOT NULL,
	raw       TEXT   NOT NULL,
	at        BIGINT NOT NULL,
	PRIMARY KEY (payment, role, wallet)
);

CREATE TABLE safes_asked_old (
	payment TEXT   NOT NULL REFERENCES payments_old (id),
	chain   BIGINT NOT NULL,
	safe    TEXT   NOT NULL,
	block   BIGINT NOT NULL,
	at      BIGINT NOT NULL,
	PRIMARY KEY (payment, chain, safe)
);

CREATE TABLE gas_grants_old (
	id      TEXT    NOT NULL PRIMARY KEY,
	payment TEXT    NOT NULL REFERENCES payments_old (id),
	chain   BIGINT  NOT NULL,
	owner   TEXT    NOT NULL,
	op_hash TEXT    NOT NULL,
	gwei    BIGINT  NOT NULL,
	rest    BIGINT  NOT NULL,
	at      BIGINT  NOT NULL,
	day     BIGINT  NOT NULL,
	sent    BOOLEAN NOT NULL,
	settled BOOLEAN NOT NULL,
	account TEXT    NOT NULL,
	until   BIGINT  NOT NULL,
	op      TEXT    NOT NULL
);
CREATE INDEX gas_grants_old_by_payment ON gas_grants_old (payment);
CREATE UNIQUE INDEX gas_grants_old_by_hash ON gas_grants_old (chain, op_hash) WHERE op_hash <> '';

CREATE TABLE payment_secrets_old (
	payment TEXT     NOT NULL PRIMARY KEY REFERENCES payments_old (id),
	secret  {{BLOB}} NOT NULL
);
-- Without it, whoever takes a payment away looks at every handle.
CREATE INDEX handles_by_payment ON handles (payment);

-- Hashes of the handles that ever went to the archive: most of what a chain tells of is
-- nobody's here, and these few bytes each say so without a look at the archive.
CREATE TABLE handle_marks (
	mark BIGINT NOT NULL PRIMARY KEY
);
