// Runs test/*.test.ts with node's own test runner. They are bundled first, by
// the bundler and with the import rules of the page itself.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { viemDeep } from './viem-deep.mjs';

const dir = fileURLToPath(new URL('test/', import.meta.url));
const tests = existsSync(dir) ? readdirSync(dir).filter((n) => n.endsWith('.test.ts')).sort() : [];
if (tests.length === 0) {
  console.error('static/ts/test has no *.test.ts: the page script has no unit tests to run');
  process.exit(1);
}

const out = mkdtempSync(join(tmpdir(), 'quittance-ts-'));
try {
  await build({
    entryPoints: tests.map((n) => join(dir, n)),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    plugins: [viemDeep],
    logLevel: 'warning',
  });
  const files = readdirSync(out).filter((n) => n.endsWith('.mjs')).map((n) => join(out, n));
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=spec', ...files], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
