import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { versions } from './artifacts.mjs';
import { contracts } from './contracts.mjs';
import { chains, deployments } from './deployments.mjs';
import { contractsFile, deploymentsFile, fixtureSeed, vectorsFile } from './fixture.mjs';
import { format, generate } from './vectors.mjs';

const read = (file) => readFileSync(file, 'utf8');
const committed = JSON.parse(read(vectorsFile));
const fresh = JSON.parse(format(await generate(fixtureSeed)));

test('the committed vectors come from the installed packages', () => {
  assert.deepEqual(fresh.packages, committed.packages);
});

test('the official packages still give every committed vector', () => {
  assert.equal(fresh.cases.length, committed.cases.length);
  for (const [i, want] of committed.cases.entries()) {
    assert.deepEqual(fresh.cases[i], want, `case ${i} (${want.version} on ${want.chain})`);
  }
  assert.deepEqual(fresh.multiSends, committed.multiSends);
});

test('every version and every chain is covered', () => {
  for (const version of versions) {
    const seen = new Set(committed.cases.filter((c) => c.version === version).map((c) => String(c.chain)));
    assert.deepEqual([...seen].sort(), [...chains].sort(), version);
  }
});

test('the committed contracts and addresses are those of the packages', () => {
  assert.ok(read(contractsFile) === contracts(), 'contracts.json differs from the packages');
  assert.equal(read(deploymentsFile), deployments());
});
