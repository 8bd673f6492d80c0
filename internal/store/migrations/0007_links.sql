-- Payment links: amounts in euros, banks, and webhooks of a dialect with endpoints of its own.
ALTER TABLE payments ADD COLUMN canceled_by TEXT NOT NULL DEFAULT '';         -- '' while nobody did
ALTER TABLE payments ADD COLUMN payer_cancels BOOLEAN NOT NULL DEFAULT FALSE; -- whoever pays may call it off
UPDATE payments SET canceled_by = 'merchant' WHERE canceled_at <> 0;
DROP INDEX payments_listed;
CREATE INDEX payments_listed ON payments (merchant, dialect, created_at, id, state, part, canceled_by) WHERE alias <> '';
DROP INDEX payments_by_reference; -- nothing asks by it, and a link's note may be longer than PostgreSQL's indexes take
CREATE INDEX payments_paid ON payments (merchant, dialect, settled_at, id, state, part, canceled_by) WHERE alias <> '';

ALTER TABLE requests ADD COLUMN chain BIGINT NOT NULL DEFAULT 0; -- of the payee's own account, where a fiat amount is due to one
ALTER TABLE requests ADD COLUMN bank TEXT NOT NULL DEFAULT '';   -- how a bank transfer pays it: JSON, '' if none can

-- Another copy of what payments say, filled in as the others are: income is a dialect's.
ALTER TABLE transfers ADD COLUMN dialect TEXT NOT NULL DEFAULT '';
CREATE INDEX transfers_undialected ON transfers (key) WHERE dialect = '';
CREATE INDEX transfers_income ON transfers (merchant, dialect, at, key) WHERE stage <> 'dropped';
CREATE INDEX events_refunds ON events (merchant, dialect, at, id) WHERE kind = 'refunded';

-- Quotes of payments without an end: their own end says how long somebody may be paying by them.
CREATE INDEX quotes_by_end ON quotes (expires_at) WHERE asked;

ALTER TABLE endpoints ADD COLUMN dialect TEXT NOT NULL DEFAULT ''; -- whose messages alone it hears, '' for one the merchant registered
DROP INDEX endpoints_by_url;
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (merchant, url, client_id, dialect);

ALTER TABLE deliveries ADD COLUMN get_url TEXT NOT NULL DEFAULT ''; -- asked for without a body, '' for a POST to the endpoint

-- What a dialect keeps secret about a payment: sealed, bound to the payment's id.
CREATE TABLE payment_secrets (
	payment TEXT     NOT NULL PRIMARY KEY REFERENCES payments (id),
	secret  {{BLOB}} NOT NULL
);

CREATE TABLE link_settings (
	merchant        TEXT     NOT NULL PRIMARY KEY REFERENCES merchants (id),
	callbacks       TEXT     NOT NULL, -- a JSON list
	endpoints       TEXT     NOT NULL, -- likewise
	default_to      TEXT     NOT NULL, -- which endpoints links have that name none
	service_fee     BIGINT   NOT NULL, -- basis points
	tell_cancel     BOOLEAN  NOT NULL,
	encrypted       BOOLEAN  NOT NULL,
	encryption_key  {{BLOB}} NOT NULL, -- sealed, empty for none
	secret          {{BLOB}} NOT NULL, -- sealed: signs the webhooks of links
	previous_secret {{BLOB}} NOT NULL, -- sealed, empty for none
	previous_until  BIGINT   NOT NULL
);

CREATE TABLE bank_accounts (
	merchant   TEXT    NOT NULL REFERENCES merchants (id),
	iban       TEXT    NOT NULL,
	bic        TEXT    NOT NULL,
	holder     TEXT    NOT NULL,
	active     BOOLEAN NOT NULL,
	created_at BIGINT  NOT NULL,
	PRIMARY KEY (merchant, iban)
);
CREATE UNIQUE INDEX bank_accounts_active ON bank_accounts (merchant) WHERE active;

-- Statements that were read.
CREATE TABLE bank_imports (
	id       TEXT   NOT NULL PRIMARY KEY,
	merchant TEXT   NOT NULL,
	message  TEXT   NOT NULL, -- the sender's id
	version  TEXT   NOT NULL,
	sha256   TEXT   NOT NULL,
	at       BIGINT NOT NULL
);

-- Movements of merchants' accounts, each once however often it is told of.
CREATE TABLE bank_bookings (
	key        TEXT    NOT NULL PRIMARY KEY,
	import     TEXT    NOT NULL, -- '' for the merchant's own word
	merchant   TEXT    NOT NULL,
	account    TEXT    NOT NULL,
	cents      BIGINT  NOT NULL,
	booked     BIGINT  NOT NULL,
	outcome    TEXT    NOT NULL,
	counts     BOOLEAN NOT NULL, -- it is a transfer of the payment
	reference  TEXT    NOT NULL,
	payment    TEXT    NOT NULL, -- '' if it is nobody's
	place      TEXT    NOT NULL,
	text       TEXT    NOT NULL, -- '' once it counts: it names people
	debtor     TEXT    NOT NULL, -- likewise
	at         BIGINT  NOT NULL,
	decided_at BIGINT  NOT NULL  -- 0 while nobody decided or had to
);
CREATE INDEX bank_bookings_listed ON bank_bookings (merchant, at, key);
CREATE INDEX bank_bookings_by_time ON bank_bookings (at, key);
CREATE INDEX bank_bookings_open ON bank_bookings (merchant, at, key) WHERE NOT counts AND decided_at = 0;
CREATE INDEX bank_bookings_undecided ON bank_bookings (at, key) WHERE NOT counts AND decided_at = 0;
