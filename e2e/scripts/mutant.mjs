// Runs one file of static/ts/test with one of the page's sources shown as another:
//   node mutant.mjs verify.test.ts [static/ts/src/verify.ts /tmp/broken.ts]
// archtest's table of mutants asks for it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = join(root, 'static/ts');
const { build } = createRequire(join(page, 'package.json'))('esbuild');
const { viemDeep } = await import(join(page, 'viem-deep.mjs'));

const [test, source, instead] = process.argv.slice(2);
const shown = {
  name: 'shown',
  setup(b) {
    if (!source) return;
    b.onLoad({ filter: /\.ts$/ }, ({ path }) => (path === join(root, source) ? { contents: readFileSync(instead, 'utf8'), loader: 'ts' } : undefined));
  },
};

const out = mkdtempSync(join(tmpdir(), 'quittance-mutant-'));
try {
  const outfile = join(out, 'test.mjs');
  await build({ entryPoints: [join(page, 'test', test)], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', plugins: [shown, viemDeep], logLevel: 'warning' });
  const run = spawnSync(process.execPath, ['--test', '--test-reporter=tap', outfile], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
