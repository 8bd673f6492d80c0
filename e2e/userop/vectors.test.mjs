import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { contracts, standins } from './contracts.mjs';
import { contractsFile, fixtureSeed, standinsFile, vectorsFile } from './paths.mjs';
import { format, generate } from './vectors.mjs';

const read = (file) => readFileSync(file, 'utf8');
const committed = JSON.parse(read(vectorsFile));
const fresh = JSON.parse(format(await generate(fixtureSeed)));

test('the committed vectors come from the installed packages', () => {
  assert.deepEqual(fresh.packages, committed.packages);
});

test('the packages still give every committed vector', () => {
  for (const list of ['operations', 'accounts', 'permits', 'own']) {
    assert.ok(committed[list].length > 0, list);
    assert.equal(fresh[list].length, committed[list].length, list);
    for (const [i, want] of committed[list].entries()) assert.deepEqual(fresh[list][i], want, `${list} ${i}`);
  }
});

test('the committed contracts are those of the packages and of the sources', () => {
  assert.ok(read(contractsFile) === contracts(), 'contracts.json differs from the packages');
  assert.ok(read(standinsFile) === standins(), 'standins.json is not what the sources compile to: run npm run update');
});
