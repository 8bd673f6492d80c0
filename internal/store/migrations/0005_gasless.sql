-- Paying without gas: what is known of a user operation that should make a payment,
-- and what was promised and spent on others' gas.
ALTER TABLE attempts ADD COLUMN op TEXT NOT NULL DEFAULT ''; -- JSON, '' for all but user operations
ALTER TABLE attempts ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- EIP-55: whose smart account the payer is, '' if nobody's
CREATE INDEX attempts_by_owner ON attempts (owner, payment, payer) WHERE owner <> '';

CREATE TABLE gas_grants (
	id      TEXT    PRIMARY KEY,                         -- ULID
	payment TEXT    NOT NULL REFERENCES payments (id),
	chain   BIGINT  NOT NULL,
	owner   TEXT    NOT NULL,                            -- lower-case address of the wallet
	op_hash TEXT    NOT NULL,                            -- '' until the sponsor has answered
	gwei    BIGINT  NOT NULL,                            -- reserved, at last what was paid: wei are gwei * 10^9 + rest,
	rest    BIGINT  NOT NULL,                            -- so that the database can add them up
	at      BIGINT  NOT NULL,
	day     BIGINT  NOT NULL,                            -- of UTC, since 1970: what the sums are over
	sent    BOOLEAN NOT NULL,
	settled BOOLEAN NOT NULL,
	account TEXT    NOT NULL,                            -- lower-case address that makes the operation, '' until the sponsor has answered
	until   BIGINT  NOT NULL,
	op      TEXT    NOT NULL                             -- JSON as of attempts, '' likewise and for wallets' own operations
);
CREATE INDEX gas_grants_by_payment ON gas_grants (payment);
CREATE INDEX gas_grants_by_day ON gas_grants (chain, day);
CREATE INDEX gas_grants_unsent ON gas_grants (at) WHERE NOT sent;
CREATE UNIQUE INDEX gas_grants_by_hash ON gas_grants (chain, op_hash) WHERE op_hash <> '';

-- Whoever adds up a chain's day holds its row until the end of the transaction:
-- two nodes do not spend the last of a budget both.
CREATE TABLE gas_days (
	chain BIGINT NOT NULL,
	day   BIGINT NOT NULL,
	PRIMARY KEY (chain, day)
);
