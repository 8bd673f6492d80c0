// Safe transactions against the official packages' own, and against whoever
// changes one on its way to the owners.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import kit from '../../../internal/safe/testdata/protocol-kit.json' with { type: 'json' };
import { keccak } from '../src/calldata.ts';
import type { Hex } from '../src/data.ts';
import { batches } from '../src/safes.gen.ts';
import { type Item, type Proposal, type SafeTx, batch, checkTx, decodeBatch, encodeBatch, findTx, hashOf, readTx, safeChecks, writeTx } from '../src/safe-tx.ts';
import { chance, stranger } from './fixtures.ts';

const utf8 = new TextEncoder();
const items = (calls: readonly { to: string; value: string; data: string }[]): Item[] => calls.map((c) => ({ to: c.to, value: BigInt(c.value), data: c.data as Hex }));

interface Case {
  readonly name: string;
  readonly p: Proposal;
  readonly calls: Item[];
  readonly next: bigint;
}
const cases: Case[] = kit.cases.map((c) => {
  const tx = readTx(c.tx as unknown as Record<string, unknown>) ?? assert.fail(`cannot read ${JSON.stringify(c.tx)}`);
  return { name: `${c.version} on ${c.chain}, ${c.calls.length} calls`, p: { chain: c.chain, safe: c.safe, hash: c.hash, tx }, calls: items(c.calls), next: tx.nonce };
});
const pins = (p: Proposal): readonly string[] => batches[p.chain] ?? [];
const refused = ({ p, calls, next }: Case): string[] => checkTx(keccak, p, calls, pins(p), next).filter((c) => c.outcome === 'failed').map((c) => c.name);
/** As whoever made it would announce it. */
const rehashed = (p: Proposal): Proposal => ({ ...p, hash: hashOf(keccak, p.chain, p.safe, p.tx) });
const honest = (c: Case): boolean => !c.p.tx.safeTxGas && !c.p.tx.gasPrice && !c.p.tx.baseGas;
const several = cases.find((c) => honest(c) && c.calls.length === 2) ?? assert.fail();
const single = cases.find((c) => honest(c) && c.calls.length === 1) ?? assert.fail();

test('the types’ hashes are those of EIP-712', () => {
  const seen: string[] = [];
  hashOf((bytes) => {
    seen.push([...bytes].map((b) => b.toString(16).padStart(2, '0')).join(''));
    return keccak([]);
  }, 1, stranger, several.p.tx);
  const starts = (type: string): boolean => seen.some((s) => s.startsWith(keccak(utf8.encode(type)).slice(2)));
  assert.ok(starts('EIP712Domain(uint256 chainId,address verifyingContract)'));
  assert.ok(starts('SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)'));
});

test('protocol-kit’s transactions: the same hash, the same bytes, and all checks pass but those for gas where it was made to be paid', () => {
  assert.ok(cases.length >= 60);
  let paid = 0;
  for (const c of cases) {
    const { tx } = c.p;
    assert.equal(hashOf(keccak, c.p.chain, c.p.safe, tx), c.p.hash, c.name);
    const repaid = tx.gasPrice > 0n || tx.baseGas > 0n || !/^0x0+$/.test(tx.gasToken) || !/^0x0+$/.test(tx.refundReceiver);
    const wrong = [...(repaid ? ['safe_refund'] : []), ...(tx.safeTxGas > 1n << 24n ? ['safe_gas'] : [])];
    paid += wrong.length;
    const checks = checkTx(keccak, c.p, c.calls, pins(c.p), c.next);
    assert.deepEqual(checks.map((x) => `${x.name} ${x.outcome}`), safeChecks.map((n) => `${n} ${wrong.includes(n) ? 'failed' : 'passed'}`), c.name);
    const made = batch(c.calls, c.p.tx.to, c.p.tx.nonce);
    assert.equal(made.data, c.p.tx.data, c.name);
    assert.equal(made.operation, c.p.tx.operation);
    if (c.calls.length > 1) assert.deepEqual(decodeBatch(c.p.tx.data)?.map((i) => i.data), c.calls.map((i) => i.data));
    const again = readTx(JSON.parse(JSON.stringify(writeTx(c.p.tx))));
    assert.deepEqual(again, c.p.tx, 'what is sent reads the same');
  }
  assert.ok(paid > 0, 'some are made to be paid for');
});

test('protocol-kit’s batches with any number of items, also those with delegatecalls', () => {
  const word = (n: number): string => n.toString(16).padStart(64, '0');
  for (const { encoded, decoded } of kit.multiSends) {
    const packed = encoded.slice(2);
    const data: Hex = `0x8d80ff0a${word(32)}${word(packed.length / 2)}${packed.padEnd(Math.ceil(packed.length / 64) * 64, '0')}`;
    const read = decodeBatch(data);
    if (decoded.some((i) => i.operation)) {
      assert.equal(read, null);
      continue;
    }
    assert.equal(encodeBatch(items(decoded)), data);
    assert.deepEqual(read?.map((i) => [i.to, i.value, i.data]), decoded.map((i) => [i.to.toLowerCase(), BigInt(i.value), i.data.toLowerCase()]));
  }
  assert.ok(kit.multiSends.length > 0);
});

test('a transaction is found by its hash, where it is as tools make it', () => {
  for (const c of cases.filter(honest)) {
    const find = (next: bigint, hash = c.p.hash): SafeTx | null => findTx(keccak, c.p.chain, c.p.safe, hash, c.calls, pins(c.p), next);
    if (c === several || c === single) {
      assert.deepEqual(find(c.p.tx.nonce - 100n)?.nonce, c.p.tx.nonce);
      assert.equal(find(c.p.tx.nonce - 101n), null, 'too far in the queue');
      assert.equal(find(c.p.tx.nonce + 1n), null, 'used up');
      assert.equal(find(c.p.tx.nonce, `0x${'1'.repeat(64)}`), null);
      assert.equal(findTx(keccak, c.p.chain, c.p.safe, c.p.hash, c.calls.map((i) => ({ ...i, value: i.value + 1n })), pins(c.p), c.p.tx.nonce), null);
    }
    const found = find(c.p.tx.nonce);
    assert.equal(found && hashOf(keccak, c.p.chain, c.p.safe, found), c.p.hash, c.name);
  }
});

test('batches of other versions’ contracts, and of one call, do the same', () => {
  assert.equal(pins(several.p).length, 4);
  for (const to of pins(several.p)) assert.deepEqual(refused({ ...several, p: rehashed({ ...several.p, tx: { ...several.p.tx, to } }) }), []);
  const tx: SafeTx = { ...single.p.tx, to: pins(single.p)[0] ?? '', value: 0n, operation: 1, data: encodeBatch(single.calls) };
  assert.deepEqual(refused({ ...single, p: rehashed({ ...single.p, tx }) }), []);
});

/** What a hostile app or owner could propose instead, and which check says so. */
const repack = (change: (list: Item[]) => Item[]) => (tx: SafeTx): SafeTx => ({ ...tx, data: encodeBatch(change([...(decodeBatch(tx.data) ?? assert.fail())])) });
const lies: [name: string, of: Case, change: (tx: SafeTx) => SafeTx, refused: string[]][] = [
  ['a delegatecall to a stranger', several, (tx) => ({ ...tx, to: stranger }), ['safe_target', 'safe_operation']],
  ['MultiSend, whose items may be delegatecalls', several, (tx) => ({ ...tx, to: '0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526' }), ['safe_target', 'safe_operation']],
  ['a plain call of the batch contract', several, (tx) => ({ ...tx, operation: 0 }), ['safe_target', 'safe_calls']],
  ['a delegatecall of the payment’s own call', single, (tx) => ({ ...tx, operation: 1 }), ['safe_target', 'safe_operation', 'safe_calls']],
  ['an operation that is none', several, (tx) => ({ ...tx, operation: 2 }), ['safe_operation']],
  ['a value beside the batch', several, (tx) => ({ ...tx, value: 1n }), ['safe_value']],
  ['another value', single, (tx) => ({ ...tx, value: tx.value + 1n }), ['safe_calls', 'safe_value']],
  ['another target', single, (tx) => ({ ...tx, to: stranger }), ['safe_target', 'safe_calls']],
  ['one call more', several, repack((l) => [...l, { to: stranger, value: 1n, data: '0x' }]), ['safe_calls']],
  ['one call less', several, repack((l) => l.slice(1)), ['safe_calls']],
  ['another order', several, repack((l) => l.reverse()), ['safe_calls']],
  ['a call’s target', several, repack(([a, ...l]) => [{ ...(a ?? assert.fail()), to: stranger }, ...l]), ['safe_calls']],
  ['a call’s value', several, repack(([a, ...l]) => [{ ...(a ?? assert.fail()), value: 1n }, ...l]), ['safe_calls']],
  ['a call’s data', several, repack(([a, ...l]) => [{ ...(a ?? assert.fail()), data: `${a?.data ?? '0x'}00` }, ...l]), ['safe_calls']],
  ['a call to nobody', several, repack(([a, ...l]) => [{ ...(a ?? assert.fail()), to: `0x${'0'.repeat(40)}` }, ...l]), ['safe_calls']],
  ['a byte more', several, (tx) => ({ ...tx, data: `${tx.data}00` }), ['safe_calls']],
  ['a delegatecall inside', several, (tx) => ({ ...tx, data: `0x${tx.data.slice(2, 138)}01${tx.data.slice(140)}` }), ['safe_calls']],
  ['a price for gas', several, (tx) => ({ ...tx, gasPrice: 1n }), ['safe_refund']],
  ['gas to be paid', several, (tx) => ({ ...tx, baseGas: 1n }), ['safe_refund']],
  ['gas paid in a token', several, (tx) => ({ ...tx, gasToken: stranger }), ['safe_refund']],
  ['gas paid to somebody', several, (tx) => ({ ...tx, refundReceiver: stranger }), ['safe_refund']],
  ['too much gas', several, (tx) => ({ ...tx, safeTxGas: (1n << 24n) + 1n }), ['safe_gas']],
  ['a nonce that is used up', several, (tx) => ({ ...tx, nonce: tx.nonce - 1n }), ['safe_nonce']],
  ['a nonce that is far away', several, (tx) => ({ ...tx, nonce: tx.nonce + 101n }), ['safe_nonce']],
];
for (const [name, of, change, want] of lies) {
  test(`refused: ${name}`, () => {
    const p = rehashed({ ...of.p, tx: change(of.p.tx) });
    assert.deepEqual(refused({ ...of, p }).sort(), [...want].sort());
    // Announced by the hash of the honest one, that is wrong as well.
    assert.ok(refused({ ...of, p: { ...p, hash: of.p.hash } }).includes('safe_hash'));
  });
}

test('a Safe is never told to change itself', () => {
  const to = several.p.safe;
  const calls = several.calls.map((c) => ({ ...c, to }));
  const p = rehashed({ ...several.p, tx: { ...several.p.tx, data: encodeBatch(calls) } });
  assert.deepEqual(refused({ ...several, p, calls }), ['safe_target']);
  assert.deepEqual(refused({ ...several, calls: [] }), ['safe_calls']);
});

test('without the Safe’s nonce that one check is open', () => {
  const checks = checkTx(keccak, several.p, several.calls, pins(several.p), null);
  assert.deepEqual(checks.filter((c) => c.outcome !== 'passed').map((c) => `${c.name} ${c.outcome}`), ['safe_nonce pending']);
});

test('no byte of the calldata can be another, whatever hash is announced with it', () => {
  const r = chance(5);
  for (const c of [several, single, cases.find((c) => honest(c) && c.calls.some((i) => i.value > 0n)) ?? assert.fail()]) {
    const digits = c.p.tx.data.slice(2);
    for (let at = 0; at < digits.length / 2; at++) {
      const old = parseInt(digits.slice(at * 2, at * 2 + 2), 16);
      for (const byte of [old ^ 1, old ^ 0x80, (old + 1 + r.below(255)) & 255]) {
        if (byte === old) continue;
        const data: Hex = `0x${digits.slice(0, at * 2)}${byte.toString(16).padStart(2, '0')}${digits.slice(at * 2 + 2)}`;
        const p = rehashed({ ...c.p, tx: { ...c.p.tx, data } });
        assert.deepEqual(refused({ ...c, p }), ['safe_calls'], `${c.name}: byte ${at}`);
      }
    }
    for (let cut = 0; cut < digits.length; cut += 2) {
      const p = rehashed({ ...c.p, tx: { ...c.p.tx, data: `0x${digits.slice(0, cut)}` } });
      assert.deepEqual(refused({ ...c, p }), ['safe_calls'], `${c.name}: cut at ${cut}`);
    }
  }
});

test('every field is bound by the hash', () => {
  const { p } = several;
  const others: Partial<SafeTx>[] = [
    { to: stranger }, { value: 1n }, { data: '0x' }, { operation: 0 }, { safeTxGas: 1n }, { baseGas: 1n }, { gasPrice: 1n }, { gasToken: stranger }, { refundReceiver: stranger }, { nonce: p.tx.nonce + 1n },
  ];
  for (const other of others) assert.ok(refused({ ...several, p: { ...p, tx: { ...p.tx, ...other } } }).includes('safe_hash'), Object.keys(other)[0]);
  assert.deepEqual(refused({ ...several, p: { ...p, chain: 10 } }), ['safe_hash']);
  assert.deepEqual(refused({ ...several, p: { ...p, safe: stranger } }), ['safe_hash']);
});

test('what is no transaction', () => {
  const good = writeTx(several.p.tx) as Record<string, unknown>;
  assert.ok(readTx({ ...good, gasToken: null, refundReceiver: undefined, nonce: '7', value: 0 }));
  const bad: Record<string, unknown[]> = {
    to: [null, '', '0x12', 7], value: [null, '-1', '1.5', '0x1', 1.5, -1, '9'.repeat(79), String(1n << 256n), {}], data: ['0x1', 'zz', 5, `0x${'00'.repeat(400_000)}`], operation: [2, '0', null, undefined, true],
    safeTxGas: [undefined, 'x'], baseGas: [undefined], gasPrice: [undefined, []], gasToken: ['0x', 1], refundReceiver: ['me'], nonce: [undefined, '-1', '99999999999999999999'],
  };
  for (const [key, values] of Object.entries(bad)) for (const v of values) assert.equal(readTx({ ...good, [key]: v }), null, `${key} ${String(v).slice(0, 20)}`);
});
