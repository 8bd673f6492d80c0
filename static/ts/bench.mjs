// Runs test/*.bench.ts, bundled as the tests are: figures, not verdicts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { viemDeep } from './viem-deep.mjs';

const dir = fileURLToPath(new URL('test/', import.meta.url));
const benches = readdirSync(dir).filter((n) => n.endsWith('.bench.ts')).sort();
const out = mkdtempSync(join(tmpdir(), 'quittance-bench-'));
try {
  await build({
    entryPoints: benches.map((n) => join(dir, n)),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    plugins: [viemDeep],
    logLevel: 'warning',
  });
  for (const n of benches) {
    const run = spawnSync(process.execPath, [join(out, n.replace(/\.ts$/, '.mjs'))], { stdio: 'inherit' });
    process.exitCode ||= run.status ?? 1;
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
