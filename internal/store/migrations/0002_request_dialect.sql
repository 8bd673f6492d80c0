-- What the rest of the Request dialect needs: who may pay a link, payouts, settings
-- of client ids, wallet sessions, shared rate limits, screening, secrets that
-- overlap, and a feed of messages that merchants can poll.

ALTER TABLE payments ADD COLUMN flow TEXT NOT NULL DEFAULT 'get_paid'; -- 'get_paid' or 'pay'
ALTER TABLE payments ADD COLUMN recipient_identifier TEXT NOT NULL DEFAULT ''; -- the merchant's own name for who a payout goes to
ALTER TABLE payments ADD COLUMN creator TEXT NOT NULL DEFAULT ''; -- lower-case address of a payout's creator, '' for others
ALTER TABLE payments ADD COLUMN access TEXT NOT NULL DEFAULT ''; -- JSON of who may see and pay it, '' if anyone may
CREATE INDEX payments_by_merchant ON payments (merchant, id);
CREATE INDEX payments_by_reference ON payments (merchant, reference) WHERE reference <> '';

CREATE INDEX requests_by_reference ON requests (reference);
CREATE INDEX transfers_by_tx ON transfers (tx);

-- Copies of what payments and requests say and never change, so that a merchant's
-- transfers can be searched in the order of their time. The program fills them in
-- for what was there before, and for what older nodes add beside newer ones.
ALTER TABLE transfers ADD COLUMN merchant TEXT NOT NULL DEFAULT '';
ALTER TABLE transfers ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE transfers ADD COLUMN payee TEXT NOT NULL DEFAULT ''; -- lower-case address
ALTER TABLE transfers ADD COLUMN invoiced TEXT NOT NULL DEFAULT ''; -- asset of the request
ALTER TABLE transfers ADD COLUMN reference TEXT NOT NULL DEFAULT ''; -- the merchant's own order number
CREATE INDEX transfers_uncopied ON transfers (key) WHERE merchant = '';
CREATE INDEX transfers_search ON transfers (merchant, at, key) WHERE stage = 'final';
CREATE INDEX transfers_search_client ON transfers (merchant, client_id, at, key) WHERE stage = 'final';
CREATE INDEX transfers_search_payer ON transfers (merchant, payer, at, key) WHERE stage = 'final';
CREATE INDEX transfers_search_payee ON transfers (merchant, payee, at, key) WHERE stage = 'final';
CREATE INDEX transfers_search_asset ON transfers (merchant, asset, at, key) WHERE stage = 'final';
CREATE INDEX transfers_search_reference ON transfers (merchant, reference, at, key) WHERE stage = 'final';
CREATE INDEX transfers_search_invoiced ON transfers (merchant, invoiced, at, key) WHERE stage = 'final';

ALTER TABLE merchants ADD COLUMN access TEXT NOT NULL DEFAULT ''; -- JSON of the access policy its links have unless they say otherwise

-- Wallets whose sign-in acts for a merchant.
CREATE TABLE merchant_wallets (
	wallet     TEXT   NOT NULL PRIMARY KEY, -- lower-case address
	merchant   TEXT   NOT NULL REFERENCES merchants (id),
	contract   BIGINT NOT NULL, -- chain on which it is a contract that signs, 0 for an account with a key
	created_at BIGINT NOT NULL
);
CREATE INDEX merchant_wallets_by_merchant ON merchant_wallets (merchant, wallet);

ALTER TABLE credentials ADD COLUMN public_id TEXT NOT NULL DEFAULT ''; -- a client id itself, which is no secret; '' for secrets
ALTER TABLE credentials ADD COLUMN settings TEXT NOT NULL DEFAULT ''; -- JSON of a client id's settings
ALTER TABLE credentials ADD COLUMN destination TEXT NOT NULL DEFAULT ''; -- destination a client id is bound to
ALTER TABLE credentials ADD COLUMN inactive_at BIGINT NOT NULL DEFAULT 0; -- switched off since, 0 while it works
ALTER TABLE credentials ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0; -- to the minute
ALTER TABLE credentials ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0; -- settings changed, 0 if they never did

ALTER TABLE destinations ADD COLUMN wallet_type TEXT NOT NULL DEFAULT 'eoa' CHECK (wallet_type IN ('eoa', 'safe'));
ALTER TABLE destinations ADD COLUMN access TEXT NOT NULL DEFAULT ''; -- JSON of the access policy of payments to it

-- Answers may hold secrets: those that are written from now on are sealed.
ALTER TABLE idempotency ADD COLUMN sealed BOOLEAN NOT NULL DEFAULT FALSE;

-- Numbers that are used once: in sign-in messages and in typed data to sign.
CREATE TABLE nonces (
	value      TEXT   NOT NULL PRIMARY KEY,
	purpose    TEXT   NOT NULL, -- what it may be used for
	detail     TEXT   NOT NULL, -- JSON of what was to be signed with it
	expires_at BIGINT NOT NULL
);
CREATE INDEX nonces_by_age ON nonces (expires_at);

CREATE TABLE wallet_sessions (
	hash       TEXT   NOT NULL PRIMARY KEY, -- hex SHA-256 of the session's secret
	merchant   TEXT   NOT NULL REFERENCES merchants (id),
	wallet     TEXT   NOT NULL, -- lower-case address
	chain      BIGINT NOT NULL, -- EIP-155 id it signed in with
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL, -- moves on with use
	ends_at    BIGINT NOT NULL  -- never moves
);
CREATE INDEX wallet_sessions_by_age ON wallet_sessions (expires_at);

-- Rate limits that several nodes share: the time at which a key has its whole
-- allowance again (generic cell rate algorithm).
CREATE TABLE limits (
	key     TEXT   NOT NULL PRIMARY KEY, -- a hash: no addresses are kept
	full_at BIGINT NOT NULL,
	taken   BIGINT NOT NULL -- how many the last one took
);
CREATE INDEX limits_by_age ON limits (full_at);

-- What a screening provider said of a wallet, for one payment.
CREATE TABLE screenings (
	payment   TEXT   NOT NULL REFERENCES payments (id),
	role      TEXT   NOT NULL CHECK (role IN ('payer', 'payee')),
	wallet    TEXT   NOT NULL, -- lower-case address
	status    TEXT   NOT NULL CHECK (status IN ('approved', 'rejected', 'error')),
	reason    TEXT   NOT NULL, -- stable code, '' if approved
	provider  TEXT   NOT NULL,
	reference TEXT   NOT NULL, -- the provider's own id of the answer
	report    TEXT   NOT NULL, -- URL of the provider's report, '' if none
	raw       TEXT   NOT NULL, -- the provider's own word for the outcome
	at        BIGINT NOT NULL,
	PRIMARY KEY (payment, role, wallet)
);

DROP INDEX endpoints_by_url;
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (merchant, url, client_id);
ALTER TABLE endpoints ADD COLUMN previous_secret {{BLOB}} NOT NULL DEFAULT ''; -- sealed like secret, empty if there is none
ALTER TABLE endpoints ADD COLUMN previous_until BIGINT NOT NULL DEFAULT 0; -- it still signs until then
ALTER TABLE endpoints ADD COLUMN failing_since BIGINT NOT NULL DEFAULT 0; -- the first failure after the last success, 0 if none
ALTER TABLE endpoints ADD COLUMN failed_at BIGINT NOT NULL DEFAULT 0; -- the newest of these failures
ALTER TABLE endpoints ADD COLUMN failures BIGINT NOT NULL DEFAULT 0; -- how many of them
ALTER TABLE endpoints ADD COLUMN disabled_at BIGINT NOT NULL DEFAULT 0; -- switched off by the server
ALTER TABLE endpoints ADD COLUMN disabled_why TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint, id);
CREATE INDEX deliveries_queued ON deliveries (endpoint, id) WHERE state = 'queued';

ALTER TABLE events ADD COLUMN fields TEXT NOT NULL DEFAULT ''; -- JSON object of further facts, '' if none

ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT ''; -- jobs of one lane do not hold up others; '' for none
UPDATE jobs SET lane = COALESCE((SELECT d.endpoint FROM deliveries d WHERE d.id = jobs.args), '') WHERE kind = 'webhook.deliver';
CREATE INDEX jobs_by_lane ON jobs (lane, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_leased ON jobs (leased_until, lane) WHERE leased_until > 0;

-- Every message as it was worded, whether or not an endpoint heard it, in the
-- order of its commit within a merchant.
CREATE TABLE feed (
	merchant  TEXT     NOT NULL REFERENCES merchants (id),
	position  BIGINT   NOT NULL, -- from 1 in each merchant, without gaps
	id        TEXT     NOT NULL, -- ULID
	event_id  TEXT     NOT NULL,
	payment   TEXT     NOT NULL,
	sequence  BIGINT   NOT NULL, -- of the event in its payment: orders the messages of one payment
	event     TEXT     NOT NULL, -- the dialect's name for it
	client_id TEXT     NOT NULL, -- that made the payment, '' if a key did
	body      {{BLOB}} NOT NULL,
	at        BIGINT   NOT NULL,
	PRIMARY KEY (merchant, position)
);
CREATE UNIQUE INDEX feed_once ON feed (event_id, event) WHERE event_id <> '';
CREATE INDEX feed_by_client ON feed (merchant, client_id, position) WHERE client_id <> '';
CREATE INDEX feed_by_payment ON feed (payment, position) WHERE payment <> '';
CREATE TABLE feed_heads (
	merchant TEXT   NOT NULL PRIMARY KEY REFERENCES merchants (id),
	position BIGINT NOT NULL -- of the newest message
);
