import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The Go tests hold the sandbox's contracts against this copy of the official
// ones; here the copy is held against the package it came from.
test('the official contracts in testdata are those of the package', () => {
  const script = fileURLToPath(new URL('../../internal/sandbox/contracts/official.mjs', import.meta.url));
  const installed = fileURLToPath(new URL('node_modules/smart-contracts-of-sandbox', import.meta.url));
  const run = spawnSync(process.execPath, [script, '--check', installed], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
});
