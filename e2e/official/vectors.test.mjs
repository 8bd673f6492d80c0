import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fixture, fixtureSeed } from './fixture.mjs';
import { format, generate, referenceCase } from './vectors.mjs';

const committed = JSON.parse(readFileSync(fixture, 'utf8'));
const fresh = JSON.parse(format(generate(fixtureSeed)));

test('the committed vectors come from the installed packages', () => {
  assert.deepEqual(fresh.packages, committed.packages);
});

test('the official packages still give every committed vector', () => {
  assert.equal(fresh.cases.length, committed.cases.length);
  for (const [i, want] of committed.cases.entries()) {
    assert.deepEqual(fresh.cases[i], want, `case ${i} (${want.kind} ${want.network ?? ''})`);
  }
  assert.equal(fresh.batches.length, committed.batches.length);
  for (const [i, want] of committed.batches.entries()) assert.deepEqual(fresh.batches[i], want, `batch ${i} (${want.network})`);
});

test('every kind and every network is covered', () => {
  const networks = ['mainnet', 'arbitrum-one', 'optimism', 'base', 'matic', 'bsc', 'sepolia'];
  for (const kind of ['erc20', 'eth', 'approve']) {
    const seen = new Set(committed.cases.filter((c) => c.kind === kind).map((c) => c.network));
    assert.deepEqual([...seen].sort(), [...networks].sort(), kind);
  }
  assert.deepEqual([...new Set(committed.batches.map((c) => c.network))].sort(), [...networks].sort(), 'batch');
  assert.ok(committed.cases.filter((c) => c.kind === 'reference').length >= 10);
});

// Published by the packages' own unit tests: proves that what is asked here is
// the official calculation and not something that merely repeats itself.
test('the published reference of the packages’ own test request', () => {
  const got = referenceCase('abcd', 'salt', '0xf17f52151EbEF6C7334FAD080c5704D77216b732');
  assert.equal(got.reference, '0x86dfbccad783599a');
});
