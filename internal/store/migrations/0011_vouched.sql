-- Who but the node that told of native money has the same, see checkout.Held: "all" or "money",
-- the block's hash and the balance that it was said of. Of another hash or balance it says
-- nothing.
ALTER TABLE deposit_balances ADD COLUMN vouched TEXT NOT NULL DEFAULT '';

CREATE INDEX deposit_balances_block ON deposit_balances (chain, block);
