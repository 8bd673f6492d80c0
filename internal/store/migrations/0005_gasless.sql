-- Paying without gas: what is known of a user operation that should make a payment,
-- and what was promised and spent on others' gas.
ALTER TABLE attempts ADD COLUMN op TEXT NOT NULL DEFAULT ''; -- JSON, '' for all but user operations

CREATE TABLE gas_grants (
	id      TEXT    PRIMARY KEY,                         -- ULID
	payment TEXT    NOT NULL REFERENCES payments (id),
	chain   BIGINT  NOT NULL,
	owner   TEXT    NOT NULL,                            -- lower-case address of the wallet
	op_hash TEXT    NOT NULL,                            -- '' until the sponsor has answered
	wei     TEXT    NOT NULL,                            -- decimal: reserved, at last what was paid
	at      BIGINT  NOT NULL,
	day     BIGINT  NOT NULL,                            -- of UTC, since 1970: what the sums are over
	sent    INTEGER NOT NULL DEFAULT 0,
	settled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX gas_grants_by_payment ON gas_grants (payment);
CREATE INDEX gas_grants_by_day ON gas_grants (chain, day, owner);
CREATE UNIQUE INDEX gas_grants_by_hash ON gas_grants (chain, op_hash) WHERE op_hash <> '';
