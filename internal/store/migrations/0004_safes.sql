-- Safe multisig transactions: what is known of one that should make a payment,
-- and which Safes asked for a payment's calldata, because a hash does not say
-- whose it is.
ALTER TABLE attempts ADD COLUMN safe TEXT NOT NULL DEFAULT ''; -- JSON, '' for all but Safe transactions

CREATE TABLE safes_asked (
	payment TEXT   NOT NULL REFERENCES payments (id),
	chain   BIGINT NOT NULL, -- where it would sign
	safe    TEXT   NOT NULL, -- lower-case address
	block   BIGINT NOT NULL, -- of the chain when it first asked: nothing was executed before
	at      BIGINT NOT NULL, -- when it last asked
	PRIMARY KEY (payment, chain, safe)
);
