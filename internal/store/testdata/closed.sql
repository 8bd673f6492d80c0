-- Closed payments in bulk, for benchmarks: of ten, three were paid, and two of those in
-- dollars to an address of their own; the others ended unpaid. {{OLD}} is the place they
-- go to, '' or '_old'; n numbers them from {{FROM}} to {{TO}}; {{AT n}} is when the n-th
-- was made, in microseconds. What is looked up by chance in life (hashes, addresses) rises
-- with n, so that tables of any size fill in order.

INSERT INTO payments{{OLD}} (id, merchant, dialect, reference, payer_identifier, redirect_url, redirect_label, client_id, origin, grace_us,
 created_at, expires_at, canceled_at, state, oddity, settled_at, version, transfers, attempts, flow, recipient_identifier, creator, access,
 alias, secret_hash, metadata, quotes, part, canceled_by, payer_cancels)
 SELECT {{ID n}}, {{MERCHANT n}}, CASE WHEN n % 10 < 2 THEN 'spacepay' ELSE 'request' END, 'order ' || n, '', 'https://shop.example/done', '',
 CASE WHEN n % 10 < 2 THEN '' ELSE 'cli_' || (n % 50) END, '', 60000000, {{AT n}}, {{AT n}} + 3600000000, 0,
 CASE WHEN n % 10 < 3 THEN 'paid' ELSE 'expired' END, 'none', CASE WHEN n % 10 < 3 THEN {{AT n}} + 60000000 ELSE 0 END, 3,
 CASE WHEN n % 10 < 3 THEN 1 ELSE 0 END, 0, 'get_paid', '', '', '', CASE WHEN n % 10 < 2 THEN {{HEX n}} ELSE '' END, '', '',
 CASE WHEN n % 10 < 2 THEN 1 ELSE 0 END, n % 10 < 3, '', FALSE FROM {{NUMBERS}};

INSERT INTO requests{{OLD}} (payment, idx, id, asset, due, payee, fee_share, fee_amount, fee_payee, salt, reference, topic, chain, bank)
 SELECT {{ID n}}, 0, '01' || {{HEX n}} || {{HEX n}}, CASE WHEN n % 10 < 2 THEN 'USD' ELSE 'USDC-base' END, CAST(1000 + n % 100000 AS TEXT),
 CASE WHEN n % 10 < 2 THEN {{ADDRESS n}} ELSE '0x00000000000000000000000000000000000000a' || (n % 7) END,
 '', '', '', SUBSTR({{HEX n}}, 1, 16), '0x' || SUBSTR({{HEX n}}, 1, 16), '0x' || {{HEX n}} || {{HEX n}}, 0, '' FROM {{NUMBERS}};

INSERT INTO handles{{OLD}} (rail, value, payment, request)
 SELECT 'evmref', '0x' || {{HEX n}} || {{HEX n}}, {{ID n}}, 0 FROM {{NUMBERS}} WHERE n % 10 >= 2;
INSERT INTO handles{{OLD}} (rail, value, payment, request)
 SELECT 'deposit', {{ADDRESS n}}, {{ID n}}, 0 FROM {{NUMBERS}} WHERE n % 10 < 2;

INSERT INTO transfers{{OLD}} (key, payment, request, rail, asset, amount, credit, fee, stage, at, chain, block, block_hash, tx, log_index, payer,
 merchant, client_id, payee, invoiced, reference, route, source_chain, source_tx, source_asset, source_amount, quote, dialect)
 SELECT '8453:0x' || {{HEX n}} || {{HEX n}} || ':3', {{ID n}}, 0, CASE WHEN n % 10 < 2 THEN 'deposit' ELSE 'evmref' END,
 CASE WHEN n % 10 < 2 THEN 'ETH-base' ELSE 'USDC-base' END, CAST(1000 + n % 100000 AS TEXT), CAST(1000 + n % 100000 AS TEXT), '', 'final',
 {{AT n}} + 60000000, 8453, n, '0x' || {{HEX n}} || {{HEX n}}, '0x' || {{HEX n}} || {{HEX n}}, 3, {{ADDRESS n % 1000}},
 {{MERCHANT n}}, CASE WHEN n % 10 < 2 THEN '' ELSE 'cli_' || (n % 50) END,
 CASE WHEN n % 10 < 2 THEN {{ADDRESS n}} ELSE '0x00000000000000000000000000000000000000a' || (n % 7) END,
 CASE WHEN n % 10 < 2 THEN 'USD' ELSE 'USDC-base' END, 'order ' || n, '', 0, '', '', '', '',
 CASE WHEN n % 10 < 2 THEN 'spacepay' ELSE 'request' END FROM {{NUMBERS}} WHERE n % 10 < 3;

INSERT INTO events{{OLD}} (payment, seq, id, merchant, dialect, kind, request, transfer, standing, detail, at, fields)
 SELECT {{ID n}}, s.seq, {{ID n * 4 + s.seq}}, {{MERCHANT n}}, CASE WHEN n % 10 < 2 THEN 'spacepay' ELSE 'request' END,
 CASE WHEN s.seq = 1 THEN 'created' WHEN n % 10 >= 3 THEN 'expired' WHEN s.seq = 2 THEN 'seen' ELSE 'paid' END, CASE WHEN s.seq = 1 THEN -1 ELSE 0 END,
 CASE WHEN s.seq = 1 OR n % 10 >= 3 THEN '' ELSE '{"key":"8453:0x' || {{HEX n}} || {{HEX n}} || ':3","request":0,"rail":"evmref","asset":"USDC-base","amount":"1000","credit":"1000","stage":"final","at":1,"chain":8453,"block":' || n || ',"tx":"0x' || {{HEX n}} || {{HEX n}} || '"}' END,
 CASE WHEN s.seq = 1 OR n % 10 >= 3 THEN '' ELSE '{"state":"paid","oddity":"none","received":"1000","settled":"1000","late":"0"}' END, '', {{AT n}} + s.seq, '{"state":"open"}'
 FROM {{NUMBERS}} CROSS JOIN (SELECT 1 AS seq UNION ALL SELECT 2 UNION ALL SELECT 3) s WHERE s.seq < 3 OR n % 10 < 3;

INSERT INTO quotes{{OLD}} (id, payment, request, asset, chain, due, units, price, price_at, source, created_at, expires_at, asked)
 SELECT {{ID n}}, {{ID n}}, 0, 'ETH-base', 8453, '1000', '1000000000000', '250000000000', {{AT n}}, 'chainlink', {{AT n}}, {{AT n}} + 600000000, TRUE
 FROM {{NUMBERS}} WHERE n % 10 < 2;

INSERT INTO deposit_addresses (address, merchant, branch, idx, checked_at, payment, request, taken_at, seq)
 SELECT {{ADDRESS n}}, {{MERCHANT n}}, 'branch', n, {{AT n}}, {{ID n}}, 0, {{AT n}}, n FROM {{NUMBERS}} WHERE n % 10 < 2;
