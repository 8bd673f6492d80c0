// The order of preference: each entry of the table taken, passed over and picked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Facts, type Way, choose, table } from '../src/gasless-table.ts';

/** A wallet with a key, money and coins, on a chain that nobody sponsors. */
const plain: Facts = { atomic: 'no', paymaster: false, sponsored: false, calls: 2, token: true, coin: true, account: true, permit: false, allowed: false };
const none: ReadonlySet<Way> = new Set();

function expects(name: string, facts: Partial<Facts>, way: Way, ways: readonly Way[], picked: Way | null = null, failed = none): void {
  test(name, () => assert.deepEqual(choose({ ...plain, ...facts }, picked, failed), { ways, way }));
}

test('the table is in the order that was decided', () => {
  assert.deepEqual(table.map((r) => r.way), ['batch_sponsored', 'op_permit', 'op_approved', 'batch', 'op_approval', 'plain']);
});

const wallet = { atomic: 'supported', paymaster: true, sponsored: true } as const;
expects('batch_sponsored: whenever the wallet reports both', { ...wallet, permit: true }, 'batch_sponsored', ['batch_sponsored', 'op_permit', 'batch', 'plain']);
expects('batch_sponsored: of a single call, too', { ...wallet, calls: 1, account: false }, 'batch_sponsored', ['batch_sponsored', 'plain']);
expects('batch_sponsored: from a wallet that asks to be upgraded', { ...wallet, atomic: 'ready', account: false }, 'batch_sponsored', ['batch_sponsored', 'batch', 'plain']);
expects('batch_sponsored: not where nobody pays', { ...wallet, sponsored: false }, 'batch', ['batch', 'plain']);
expects('batch_sponsored: not one call after another', { ...wallet, atomic: 'no' }, 'plain', ['op_approval', 'plain']);

expects('op_permit: taken by whoever has the token and no coin', { sponsored: true, permit: true, coin: false }, 'op_permit', ['op_permit', 'plain']);
expects('op_permit: offered to whoever has both', { sponsored: true, permit: true }, 'plain', ['op_permit', 'plain']);
expects('op_permit: picked', { sponsored: true, permit: true }, 'op_permit', ['op_permit', 'plain'], 'op_permit');
expects('op_permit: before a batch that costs gas nobody has', { sponsored: true, permit: true, coin: false, atomic: 'supported' }, 'op_permit', ['op_permit', 'batch', 'plain']);
expects('op_permit: not without the token', { sponsored: true, permit: true, coin: false, token: false }, 'plain', ['plain']);
expects('op_permit: not for wallets with code', { sponsored: true, permit: true, coin: false, account: false }, 'plain', ['plain']);
expects('op_permit: not where nobody pays', { permit: true, coin: false }, 'plain', ['plain']);

expects('op_approved: taken without a coin', { sponsored: true, allowed: true, coin: false }, 'op_approved', ['op_approved', 'plain']);
expects('op_approved: a permit is then not needed', { sponsored: true, allowed: true, permit: true, coin: false }, 'op_approved', ['op_approved', 'plain']);
expects('op_approved: offered to whoever has coins', { sponsored: true, allowed: true }, 'plain', ['op_approved', 'plain']);

expects('batch: taken where it can be', { atomic: 'supported' }, 'batch', ['batch', 'plain']);
expects('batch: from a wallet that asks to be upgraded', { atomic: 'ready' }, 'batch', ['batch', 'plain']);
expects('batch: not of one call', { atomic: 'supported', calls: 1 }, 'plain', ['plain']);
expects('batch: with an operation offered beside', { atomic: 'supported', sponsored: true, permit: true }, 'batch', ['op_permit', 'batch', 'plain']);

expects('op_approval: never unasked', { sponsored: true }, 'plain', ['op_approval', 'plain']);
expects('op_approval: picked', { sponsored: true }, 'op_approval', ['op_approval', 'plain'], 'op_approval');
expects('op_approval: not without coins, which it takes', { sponsored: true, coin: false }, 'plain', ['plain']);
expects('op_approval: becomes op_approved once it is mined', { sponsored: true, allowed: true }, 'op_approved', ['op_approved', 'plain'], 'op_approval');

expects('plain: picked', { ...wallet }, 'plain', ['batch_sponsored', 'batch', 'op_approval', 'plain'], 'plain');
expects('plain: always there', {}, 'plain', ['plain']);
expects('what was picked and cannot be is not taken', {}, 'plain', ['plain'], 'batch_sponsored');
expects('what failed is not offered again', { ...wallet }, 'batch', ['batch', 'op_approval', 'plain'], null, new Set<Way>(['batch_sponsored']));
expects('what was picked and failed gives way', { sponsored: true, permit: true, coin: false }, 'plain', ['plain'], 'op_permit', new Set<Way>(['op_permit']));
