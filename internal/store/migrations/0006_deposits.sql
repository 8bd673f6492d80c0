-- Amounts that are due in a fiat currency: quotes, addresses made for one payment each,
-- and what is known of the native currency on them.
ALTER TABLE payments ADD COLUMN alias TEXT NOT NULL DEFAULT '';       -- the public id where the dialect has ids of its own
ALTER TABLE payments ADD COLUMN secret_hash TEXT NOT NULL DEFAULT ''; -- of a secret that opens this payment alone
ALTER TABLE payments ADD COLUMN metadata TEXT NOT NULL DEFAULT '';    -- what the merchant wants back, in the dialect's own form
ALTER TABLE payments ADD COLUMN quotes BIGINT NOT NULL DEFAULT 0;     -- how many quotes there are
ALTER TABLE payments ADD COLUMN part BOOLEAN NOT NULL DEFAULT FALSE;  -- value has arrived in time, enough or not
CREATE UNIQUE INDEX payments_by_alias ON payments (dialect, alias) WHERE alias <> '';
CREATE INDEX payments_listed ON payments (merchant, dialect, created_at, id, state, part) WHERE alias <> '';

ALTER TABLE feed ADD COLUMN dialect TEXT NOT NULL DEFAULT 'request'; -- whose words a message is in

ALTER TABLE transfers ADD COLUMN quote TEXT NOT NULL DEFAULT ''; -- by which its credit was counted

-- Quotes never change: a refresh is a new row.
CREATE TABLE quotes (
	id         TEXT    NOT NULL PRIMARY KEY,
	payment    TEXT    NOT NULL REFERENCES payments (id),
	request    BIGINT  NOT NULL,
	asset      TEXT    NOT NULL,
	chain      BIGINT  NOT NULL,
	due        TEXT    NOT NULL, -- in the request's asset: what units are worth
	units      TEXT    NOT NULL,
	price      TEXT    NOT NULL, -- of one whole unit, in hundred-millionths
	price_at   BIGINT  NOT NULL,
	source     TEXT    NOT NULL,
	created_at BIGINT  NOT NULL,
	expires_at BIGINT  NOT NULL,
	asked      BOOLEAN NOT NULL  -- somebody was shown it
);
CREATE INDEX quotes_by_payment ON quotes (payment, created_at, id);

-- A merchant's extended public key: addresses are derived from it, and money on them is
-- out of the server's reach.
CREATE TABLE deposit_branches (
	id         TEXT     NOT NULL PRIMARY KEY, -- names the key without giving its addresses away
	merchant   TEXT     NOT NULL REFERENCES merchants (id),
	xpub       {{BLOB}} NOT NULL,             -- sealed, bound to the id
	next_index BIGINT   NOT NULL,             -- the first that was not looked at yet
	asset      TEXT     NOT NULL,             -- what the first quote of a payment is in, '' for the first chain's native currency
	life_us    BIGINT   NOT NULL,             -- how long a payment may be paid, 0 for the dialect's default
	active     BOOLEAN  NOT NULL,
	created_at BIGINT   NOT NULL
);
CREATE UNIQUE INDEX deposit_branches_active ON deposit_branches (merchant) WHERE active;

-- Addresses that were found untouched on every chain: given out once, each to one payment.
CREATE TABLE deposit_addresses (
	address    TEXT   NOT NULL PRIMARY KEY, -- lower case
	merchant   TEXT   NOT NULL,
	branch     TEXT   NOT NULL REFERENCES deposit_branches (id),
	idx        BIGINT NOT NULL,
	checked_at BIGINT NOT NULL,             -- when it was found untouched
	payment    TEXT   NOT NULL,             -- '' while nobody has it
	request    BIGINT NOT NULL,
	taken_at   BIGINT NOT NULL,             -- 0 likewise
	seq        BIGINT NOT NULL              -- rises in the order of commits: watchers read on from the last they know
);
CREATE UNIQUE INDEX deposit_addresses_by_seq ON deposit_addresses (seq);
CREATE INDEX deposit_addresses_free ON deposit_addresses (branch, idx) WHERE payment = '';

-- Whoever adds addresses holds this row until the end of the transaction, so that they
-- become visible in the order of their numbers.
CREATE TABLE deposit_seq (
	one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
	seq BIGINT NOT NULL
);
INSERT INTO deposit_seq (one, seq) VALUES (1, 0);

-- Native balances after blocks in which they changed. They live as transfers do: a
-- rewind takes back those above its block that are not final.
CREATE TABLE deposit_balances (
	chain      BIGINT  NOT NULL,
	address    TEXT    NOT NULL, -- lower case
	block      BIGINT  NOT NULL,
	block_hash TEXT    NOT NULL,
	before     TEXT    NOT NULL,
	wei        TEXT    NOT NULL,
	final      BOOLEAN NOT NULL,
	PRIMARY KEY (chain, address, block)
);
CREATE INDEX deposit_balances_open ON deposit_balances (chain, block) WHERE NOT final;
