// Several payments in one call of the batch contract: the codec against the
// official package's calldata and viem, and the safety layer against every lie.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFunctionData } from 'viem-deep/utils/abi/encodeFunctionData.js';
import { toFunctionSelector } from 'viem-deep/utils/hash/toFunctionSelector.js';
import { keccak256 } from 'viem-deep/utils/hash/keccak256.js';
import { stringToBytes } from 'viem-deep/utils/encoding/toBytes.js';
import vectors from '../../../internal/official/testdata/batch-vectors.json' with { type: 'json' };
import published from '../../../internal/official/testdata/calldata-vectors.json' with { type: 'json' };
import { batchPayees, batchSelector, batchSignature, batchWords, hashText, nativePath, noFeePayee } from '../src/calldata.ts';
import type { Hex, Item, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import { Refusal, type Shown, payeeHash, shorten, verifyCall, verifyPage, verifyPlan } from '../src/verify.ts';
import {
  type Tx, account, allowTx, batchData, batchOf, batchTransactions, chainOf, chance, feePayee, payTx, payee, shortened, shownFor, stranger, usdc, zero,
} from './fixtures.ts';

const detail = [
  { name: 'recipient', type: 'address' }, { name: 'requestAmount', type: 'uint256' }, { name: 'path', type: 'address[]' },
  { name: 'paymentReference', type: 'bytes' }, { name: 'feeAmount', type: 'uint256' }, { name: 'maxToSpend', type: 'uint256' }, { name: 'maxRateTimespan', type: 'uint256' },
];
const abi = [{
  type: 'function' as const, name: 'batchPayments', stateMutability: 'payable' as const, outputs: [],
  inputs: [
    { name: 'metaDetails', type: 'tuple[]', components: [{ name: 'paymentNetworkId', type: 'uint256' }, { name: 'requestDetails', type: 'tuple[]', components: detail }] },
    { name: 'pathsToUSD', type: 'address[][]' },
    { name: 'feeAddress', type: 'address' },
  ],
}];

/** What viem makes of the same payments. */
function viemData(p: Payment, feeAddress: string): Hex {
  const group = (native: boolean) => p.items
    .filter((i) => p.assets[i.asset]?.native === native)
    .map((i) => ({
      recipient: i.payee, requestAmount: i.amount, path: [native ? nativePath : p.assets[i.asset]?.address], paymentReference: i.reference,
      feeAmount: i.fee, maxToSpend: 0n, maxRateTimespan: 0n,
    }));
  const metas = [[2n, group(false)], [3n, group(true)]] as const;
  const args = [metas.filter(([, d]) => d.length > 0).map(([paymentNetworkId, requestDetails]) => ({ paymentNetworkId, requestDetails })), [], feeAddress];
  return encodeFunctionData({ abi, functionName: 'batchPayments', args });
}

const kinds: [string, string[]][] = [
  ['one token', ['USDC-base']],
  ['two tokens', ['USDC-base', 'USDT-base']],
  ['tokens and native currency', ['USDT-base', 'ETH-base', 'USDC-base']],
  ['native currency alone', ['ETH-base']],
];

const plan = (p: Payment, txs: unknown) => verifyPlan(chainOf(p), p, txs, p.chain.id);
const refused = (run: () => unknown): string => {
  try {
    run();
  } catch (err) {
    if (err instanceof Refusal) return `${err.check} ${err.field}`;
    throw err;
  }
  return assert.fail('accepted');
};

test('the selector is that of the signature', () => assert.equal(batchSelector, toFunctionSelector(`function ${batchSignature}`)));

test('viem encodes the same bytes', () => {
  for (const [name, ids] of kinds) {
    for (const count of [2, 3, 7, 41, 200]) {
      const p = batchOf(count, ids);
      assert.equal(batchData(p), viemData(p, p.feePayee), `${count} of ${name}`);
    }
  }
  const free = batchOf(3);
  const items = free.items.map((i) => ({ ...i, fee: 0n })) as unknown as Payment['items'];
  assert.equal(batchData({ ...free, items }), viemData({ ...free, items }, noFeePayee));
});

test('the official package encodes the same bytes, but for the name it gives the native currency', () => {
  const checked = published.vectors.filter((v) => v.name.startsWith('batch')).map((v) => {
    const [groups, paths, feeAddress] = v.decoded.args as unknown as [[string, [string, string, string[], string, string, string, string][]][], unknown[], string];
    assert.deepEqual(paths, []);
    let number = 0;
    const items = groups.flatMap(([network, details]) =>
      details.map(([to, amount, path, reference, fee]) => ({
        number: ++number, native: network === '3', path: path[0] ?? '', payee: to, amount: BigInt(amount), fee: BigInt(fee), reference,
      })));
    assert.ok(items.filter((i) => i.native).every((i) => i.path.toLowerCase() === nativePath));
    assert.equal(`${batchSelector}${batchWords(items, feeAddress).map(([, digits]) => digits).join('')}`, v.tx.data);
    return items.length;
  });
  assert.deepEqual(checked, [2, 3]);
});

test('payees are found in calldata of the layout, wherever it ends', () => {
  const p = batchOf(5);
  const words = batchWords(p.items.map((i) => ({ ...i, number: i.index + 1, native: i.asset === 2, path: zero })), zero);
  const found = batchPayees(words, batchData(p));
  assert.deepEqual([...found].sort().map(([n, a]) => [n, a]), p.items.map((i) => [i.index + 1, i.payee.toLowerCase()]));
  assert.equal(batchPayees(words, '0x').size, 5);
});

test('honest batches pass, whatever is approved already', () => {
  for (const [name, ids] of kinds) {
    for (const count of [2, 3, 200]) {
      const p = batchOf(count, ids);
      verifyPage(registry, p, shownFor(p));
      for (const allowed of [false, true]) {
        const txs = batchTransactions(p, allowed);
        const calls = plan(p, txs);
        assert.deepEqual(calls.map((c) => c.data), txs.map((t) => t.data), name);
        assert.equal(calls.at(-1)?.targetName, 'official batch contract BatchConversionPayments 0.1.0');
        assert.equal(calls.at(-1)?.args.length, count + 1);
      }
      assert.equal(plan(p, [payTx(p)]).length, 1);
    }
  }
  const p = batchOf(6);
  assert.equal(plan(p, [allowTx(p, 'reset', 1), allowTx(p, 'approve', 1), payTx(p)]).length, 3);
  const [first] = plan(p, [payTx(p)]);
  assert.equal(first?.args[1]?.[1], `payee ${stranger}, amount 1000001 (1.000001 USDT), fee 10 (0.00001 USDT), reference 0x00000000abcdef01`);
});

test('what was paid already is no part of it', () => {
  const all = batchOf(6);
  const p = { ...all, items: all.items.filter((i) => i.index !== 2) as unknown as Payment['items'] };
  verifyPage(registry, p, shownFor(p));
  assert.equal(plan(p, batchTransactions(p)).length, 3);
  assert.match(refused(() => plan(p, [payTx(all)])), /^page_calldata /);
});

type Lie = [field: string, lie: (p: Payment) => Tx[]];
const pay = (data: string, p: Payment): Tx[] => [{ ...payTx(p), data }];
const change = (p: Payment, at: number, to: Partial<Item>): Payment =>
  ({ ...p, items: p.items.map((i, k) => (k === at ? { ...i, ...to } : i)) as unknown as Payment['items'] });
const order = (p: Payment, ...at: number[]): Payment => ({ ...p, items: at.map((i) => p.items[i]) as unknown as Payment['items'] });

test('every lie about a batch is refused by its name', () => {
  const other = '0x5a4db000000000000000000000000000000005d7';
  const lies: Lie[] = [
    ['payment 2: payee', (p) => pay(batchData(change(p, 1, { payee: account })), p)],
    ['payment 1: amount', (p) => pay(batchData(change(p, 0, { amount: 1_000_001n })), p)],
    ['payment 3: amount', (p) => pay(batchData(change(p, 2, { amount: 1n })), p)],
    ['payment 2: fee', (p) => pay(batchData(change(p, 1, { fee: 11n })), p)],
    ['payment 2: reference', (p) => pay(batchData(change(p, 1, { reference: '0x00000000abcdef00' })), p)],
    ['payment 1: token', (p) => pay(payTx(p).data.replace((p.assets[0].address).slice(2).toLowerCase(), other.slice(2)), p)],
    ['payment 1: payee', (p) => pay(batchData(order(p, 3, 1, 2, 0, 4, 5)), p)],
    ['number of payments', (p) => pay(batchData(order(p, 0, 1, 2)), p)],
    ['number of payments', (p) => pay(batchData(order(p, 0, 1, 2, 3, 4, 5, 0)), p)],
    ['fee payee', (p) => pay(batchData({ ...p, feePayee: stranger }), p)],
    ['fee payee', (p) => pay(batchData({ ...p, feePayee: zero }), p)],
    ['selector', (p) => pay(`0x12345678${payTx(p).data.slice(10)}`, p)],
    ['encoding', (p) => pay(`${payTx(p).data}${'0'.repeat(64)}`, p)],
    ['encoding', (p) => pay(`${payTx(p).data}00`, p)],
    ['encoding', (p) => pay(payTx(p).data.slice(0, -64), p)],
    ['encoding', (p) => pay('0x', p)],
    ['encoding', (p) => pay(`${payTx(p).data}${'00'.repeat(500_000)}`, p)],
    ['value', (p) => [{ ...payTx(p), value: '0x0' }]],
    ['value', (p) => [{ ...payTx(p), value: `0x${(BigInt(payTx(p).value) + 1n).toString(16)}` }]],
    ['spender', (p) => [{ ...allowTx(p, 'approve', 0), data: allowTx({ ...p, batch: false }, 'approve', 0).data }, payTx(p)]],
    ['approved amount', (p) => [{ ...allowTx(p, 'approve', 1), to: p.assets[0].address }, payTx(p)]],
    ['approved amount', (p) => [allowTx(p, 'reset', 0), allowTx(p, 'approve', 0), payTx(p)]],
    ['order of transactions', (p) => [allowTx(p, 'approve', 1), allowTx(p, 'approve', 0), payTx(p)]],
    ['order of transactions', (p) => [allowTx(p, 'reset', 1), allowTx(p, 'approve', 0), payTx(p)]],
    ['order of transactions', (p) => [allowTx(p, 'reset', 1), payTx(p)]],
    ['order of transactions', (p) => [allowTx(p, 'approve', 0), allowTx(p, 'approve', 0), payTx(p)]],
    ['order of transactions', (p) => [payTx(p), allowTx(p, 'approve', 0)]],
    ['order of transactions', (p) => [allowTx(p, 'approve', 0), allowTx(p, 'approve', 1)]],
    ['order of transactions', (p) => [payTx(p), payTx(p)]],
    ['number of transactions', (p) => Array<Tx>(8).fill(payTx(p))],
  ];
  for (const [field, lie] of lies) {
    const p = batchOf(6);
    assert.equal(refused(() => plan(p, lie(p))), `page_calldata ${field}`, field);
  }
  const p = batchOf(6);
  for (const to of [stranger, chainOf(p).erc20FeeProxy, chainOf(p).ethFeeProxy, zero, p.assets[2]?.address]) {
    assert.equal(refused(() => plan(p, [{ ...payTx(p), to }])), 'page_registry target', String(to));
  }
  // A payment of one is not paid at the batch contract, nor a batch at a proxy.
  const single = usdc();
  assert.equal(refused(() => plan(single, [{ ...payTx(single), to: chainOf(p).batchPayments }])), 'page_registry target');
});

test('every single byte of a batch counts', () => {
  const p = batchOf(3);
  const { data } = payTx(p);
  for (let at = 2; at < data.length; at += 2) {
    const flipped = (parseInt(data.slice(at, at + 2), 16) ^ 0x80).toString(16).padStart(2, '0');
    assert.match(refused(() => plan(p, pay(`${data.slice(0, at)}${flipped}${data.slice(at + 2)}`, p))), /^page_calldata /, `byte ${at / 2}`);
  }
});

test('any honest batch passes, and fails with any one digit of any transaction changed', () => {
  const tokens = ['USDC-base', 'USDT-base', 'ETH-base'];
  for (let seed = 1; seed <= 60; seed++) {
    const r = chance(seed);
    const ids = tokens.filter(() => r.below(2)).concat('USDC-base').filter((t, i, all) => all.indexOf(t) === i);
    const base = batchOf(2 + r.below(30), ids);
    const items = base.items.map((i) => ({ ...i, payee: r.hex(20), amount: BigInt(1 + r.below(1e9)), fee: r.below(2) ? BigInt(r.below(1e6)) : 0n, reference: r.hex(8) }));
    const p = { ...base, items: items as unknown as Payment['items'] };
    verifyPage(registry, p, shownFor(p));
    const txs = batchTransactions(p, r.below(2) === 0);
    plan(p, txs);
    const tx = txs[r.below(txs.length)] as Tx;
    const key = (['to', 'data', 'value'] as const)[r.below(3)] ?? 'to';
    const at = 2 + r.below(tx[key].length - 2);
    const digit = ((parseInt(tx[key][at] ?? '0', 16) + 1 + r.below(15)) % 16).toString(16);
    tx[key] = tx[key].slice(0, at) + digit + tx[key].slice(at + 1);
    refused(() => plan(p, txs));
  }
});

test('the batch contract’s own fee', () => {
  const charged = (p: Payment, fee: bigint): Payment => ({ ...p, assets: p.assets.map((a) => ({ ...a, contractFee: fee })) as unknown as Payment['assets'] });
  const p = charged(batchOf(6), 5n);
  verifyPage(registry, p, shownFor(p));
  const txs = batchTransactions(p);
  plan(p, txs);
  // Tokens may bear it or not: both approvals are shown, nothing between or beyond.
  const bare = batchTransactions(batchOf(6));
  plan(p, [bare[0], bare[1], txs[2]]);
  const between = batchTransactions(charged(batchOf(6), 4n));
  assert.equal(refused(() => plan(p, [between[0], txs[2]])), 'page_calldata approved amount');
  assert.equal(refused(() => plan(p, [bare[2]])), 'page_calldata value');
  // Without other fees it goes to the first payee: that is who the contract would pay.
  const free = { ...p, items: p.items.map((i) => ({ ...i, fee: 0n })) as unknown as Payment['items'], feePayee: zero as Hex };
  assert.equal(plan(free, [payTx(free)])[0]?.args.at(-1)?.[1], payee);
  assert.equal(refused(() => plan(free, pay(batchData(free, free.items.map(() => stranger)), free))), 'page_calldata fee payee');
  // Two percent of the amounts is what it can take, and a payment of one has no such fee.
  const most = (n: bigint) => ({ ...charged(batchOf(3, ['USDC-base']), n) });
  const dear = most(60_001n);
  verifyPage(registry, most(60_000n), shownFor(most(60_000n)));
  assert.equal(refused(() => verifyPage(registry, dear, shownFor(dear))), 'page_calldata batch contract\'s fee');
  const single = charged(usdc(), 1n);
  assert.equal(refused(() => verifyPage(registry, single, shownFor(single))), 'page_calldata batch contract\'s fee');
  // It is shown on a line of its own.
  const unsaid: Shown = { ...shownFor(p), totals: shownFor(p).totals.map((t) => ({ ...t, contractFee: '' })) };
  assert.equal(refused(() => verifyPage(registry, p, unsaid)), 'page_calldata displayed batch contract\'s fee');
});

test('a batch page that displays something else than its data', () => {
  const p = batchOf(7);
  const honest = shownFor(p);
  const item = (at: number, to: Partial<Shown['items'][number]>): Shown => ({ ...honest, items: honest.items.map((i, k) => (k === at ? { ...i, ...to } : i)) });
  const total = (at: number, to: Partial<Shown['totals'][number]>): Shown => ({ ...honest, totals: honest.totals.map((t, k) => (k === at ? { ...t, ...to } : t)) });
  const cases: [string, Shown][] = [
    ['displayed payee', item(6, { payee: account })],
    ['displayed payee', item(0, { payee: '' })],
    ['displayed amount', item(3, { amount: '1.00 USDC' })],
    ['displayed fee', item(3, { fee: '' })],
    ['displayed reference', item(5, { reference: '' })],
    ['displayed amount', total(1, { amount: '1.00 USDT' })],
    ['displayed total', total(2, { total: '' })],
    ['displayed batch contract\'s fee', total(0, { contractFee: '1.00 USDC' })],
    ['displayed payee', { ...honest, items: honest.items.slice(0, -1) }],
  ];
  for (const [field, shown] of cases) assert.equal(refused(() => verifyPage(registry, p, shown)), `page_calldata ${field}`);
});

test('a batch that names a payment twice, or an asset', () => {
  const p = batchOf(4);
  for (const bad of [order(p, 0, 1, 1, 2), order(p, 1, 0, 2, 3)]) {
    assert.equal(refused(() => verifyPage(registry, bad, shownFor(bad))), 'page_calldata order of payments');
  }
  const twice = { ...p, assets: [...p.assets, p.assets[0]] as unknown as Payment['assets'] };
  assert.equal(refused(() => verifyPage(registry, twice, shownFor(twice))), 'page_registry number of assets');
  const idle = { ...batchOf(4, ['USDC-base']), assets: p.assets };
  assert.equal(refused(() => verifyPage(registry, idle, shownFor(idle))), 'page_calldata amount');
});

test('payees that the page shortens are recognised in calldata, and no others', () => {
  assert.equal(hashText('abc'), keccak256(stringToBytes('abc')));
  for (const whole of [usdc(), batchOf(6), batchOf(3, ['ETH-base'])]) {
    const p = shortened(whole);
    verifyPage(registry, p, shownFor(p));
    const call = plan(p, [payTx(whole)])[0];
    assert.equal(call?.data, payTx(whole).data);
    assert.ok(call?.args.some(([, v]) => v.includes(payee)), 'the decoded call names the payee');
    assert.equal(verifyCall(chainOf(p), p, { ...payTx(whole) }).kind, 'pay');
    // Another account, one with the same ends, and one that belongs to another payment.
    const twin = `${payee.slice(0, 6)}${'0'.repeat(32)}${payee.slice(-4)}`;
    for (const to of [account, zero, twin]) {
      const lie = change(whole, 0, { payee: to });
      assert.equal(refused(() => plan(p, [payTx(lie)])), 'page_calldata payee', to);
    }
    const foreign = change(p, 0, { payeeHash: payeeHash('another', payee) });
    assert.equal(refused(() => plan(foreign, [payTx(whole)])), 'page_calldata payee');
    // The secret of another payment, or none, opens nothing.
    for (const payeeSecret of ['', 'another']) assert.equal(refused(() => plan({ ...p, payeeSecret }, [payTx(whole)])), 'page_calldata payee');
    const wrong = change(p, 0, { payee: shorten(feePayee) });
    assert.equal(refused(() => plan(wrong, [payTx(whole)])), 'page_calldata payee');
  }
  const p = shortened(batchOf(6));
  assert.equal(refused(() => plan(p, pay('0x92cddb91', p))), 'page_calldata payee');
  assert.equal(refused(() => plan(p, pay(`${payTx(batchOf(6)).data}00`, p))), 'page_calldata encoding');
});

test('200 payments are verified in a moment', () => {
  const p = batchOf(200);
  const began = performance.now();
  verifyPage(registry, p, shownFor(p));
  plan(p, batchTransactions(p));
  const took = performance.now() - began;
  assert.ok(took < 1_000, `${took} ms`);
});

test('the server’s own vectors pass, every transaction of them byte for byte', () => {
  let payments = 0;
  for (const v of vectors) {
    const chain = registry[v.chain];
    assert.ok(chain, v.name);
    const tokens = v.needs.map((n) => n.token);
    const assets = v.needs.map((n, at) => {
      const known = chain.tokens.find((t) => t.address === n.token.toLowerCase());
      assert.ok(known, `${v.name}: ${n.token}`);
      const own = v.items.filter((i) => i.token === tokens[at]).reduce((sum, i) => sum + BigInt(i.amount) + BigInt(i.fee), 0n);
      return { ...known, address: known.address as Hex, contractFee: BigInt(n.hold) - own };
    });
    const items = v.items.map((i, index): Item => ({
      index, asset: tokens.indexOf(i.token), payee: i.payee, payeeHash: '', amount: BigInt(i.amount), fee: BigInt(i.fee), reference: i.reference as Hex,
    }));
    const feePayee = v.items.find((i) => i.fee !== '0')?.feePayee ?? zero;
    const p: Payment = {
      ...batchOf(2), chain: { ...usdc().chain, id: v.chain }, assets: assets as unknown as Payment['assets'], items: items as unknown as Payment['items'], feePayee: feePayee as Hex,
    };
    const txs = v.transactions.map((t) => ({ to: t.to, data: t.data, value: `0x${BigInt(t.value).toString(16)}` }));
    const calls = verifyPlan(chain, p, txs, v.chain);
    assert.deepEqual(calls.map((c) => [c.kind, c.to.toLowerCase(), c.data, String(c.value)]), v.transactions.map((t) => [t.kind, t.to, t.data, t.value]), v.name);
    payments += items.length;
  }
  assert.ok(vectors.length >= 10 && payments >= 200, `${vectors.length} vectors of ${payments} payments`);
});
