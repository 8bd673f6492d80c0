-- Who but the node that told of native money has the same, see checkout.Held: "all" or "money",
-- the block's hash and the balance that it was said of. Of another hash or balance it says
-- nothing. "early" is what versions leave there that know nothing of it.
ALTER TABLE deposit_balances ADD COLUMN vouched TEXT NOT NULL DEFAULT 'early';

CREATE INDEX deposit_balances_block ON deposit_balances (chain, block);
