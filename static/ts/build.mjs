// Builds what the hosted page loads: static/dist/*.js from src/ and
// static/dist/pay.css from ../css; static/dist/docs.css, the API document's own,
// from ../css/docs, deposit.css from ../css/deposit, and sandbox-safe.css from ../css/sandbox. The output is committed and embedded, so the
// same sources must give the same bytes. Prints what each file weighs and
// fails when a script of the page is heavier than its budget.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { noViemBarrel, viemDeep } from './viem-deep.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const css = fileURLToPath(new URL('../css/', import.meta.url));
const dist = fileURLToPath(new URL('../dist/', import.meta.url));

// A budget, compressed, is what a phone on a slow network has to fetch: before a
// payer can pay, and again before one can pay from another chain.
const entries = [
  { out: 'pay.js', source: join(here, 'src/pay.ts'), required: true, budget: 25_000 },
  { out: 'deposit-pay.js', source: join(here, 'src/deposit-pay.ts'), required: true, budget: 14_000 },
  { out: 'link.js', source: join(here, 'src/link.ts'), required: true, budget: 3_000 },
  // It fetches these two, whose addresses it has to know.
  { out: 'deposit.js', source: join(here, 'src/deposit.ts'), required: true, budget: 16_000, names: { PAYING: 'deposit-pay.js', LINK: 'link.js' } },
  { out: 'lock.js', source: join(here, 'src/lock-page.ts'), required: true, budget: 15_000 },
  { out: 'ways.js', source: join(here, 'src/ways-page.ts'), required: true, budget: 15_000 },
  { out: 'route.js', source: join(here, 'src/route.ts'), required: true, budget: 15_000 },
  { out: 'safe.js', source: join(here, 'src/safe.ts'), required: true, budget: 12_000 },
  { out: 'operation.js', source: join(here, 'src/operation.ts'), required: true, budget: 14_000 },
  // It fetches operation.js, whose address it has to know.
  { out: 'gasless.js', source: join(here, 'src/gasless.ts'), required: true, budget: 14_000, names: { OPERATION: 'operation.js' } },
  { out: 'sandbox-wallet.js', source: join(here, 'src/sandbox-wallet.ts'), required: false, budget: Infinity },
  { out: 'sandbox-safe.js', source: join(here, 'src/sandbox-safe.ts'), required: false, budget: Infinity },
];

class BuildError extends Error {}

// Where the server serves a file: see static.Assets.
const address = (name, contents) => `/static/${name.replace('.js', '')}-${createHash('sha256').update(contents).digest('hex').slice(0, 12)}.js`;

async function script(source, define = {}) {
  const result = await build({
    entryPoints: [source],
    define,
    external: ['/static/*'],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    charset: 'utf8',
    sourcemap: false,
    legalComments: 'none',
    plugins: [viemDeep, noViemBarrel],
    logLevel: 'warning',
    write: false,
  });
  return result.outputFiles[0].contents;
}

// All style sheets of a folder in one file, in the order of their names.
async function styles(folder) {
  const names = existsSync(folder) ? readdirSync(folder).filter((n) => n.endsWith('.css')).sort() : [];
  if (names.length === 0) throw new BuildError(`${folder} has no style sheet and needs at least one`);
  const result = await build({
    stdin: { contents: names.map((n) => `@import ${JSON.stringify(`./${n}`)};`).join('\n'), resolveDir: folder, loader: 'css' },
    bundle: true,
    minify: true,
    target: ['chrome109', 'firefox109', 'safari16'],
    charset: 'utf8',
    legalComments: 'none',
    external: ['*.woff2', '*.svg', '*.png'],
    logLevel: 'warning',
    write: false,
  });
  return result.outputFiles[0].contents;
}

function weigh(name, contents) {
  const gz = gzipSync(contents, { level: 9 }).length;
  const br = brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  const column = (n, unit) => `${n.toLocaleString('en')} ${unit}`.padStart(14);
  console.log(`${name.padEnd(20)}${column(contents.length, 'B')}${column(gz, 'B gz')}${column(br, 'B br')}`);
  return gz;
}

async function main() {
  const files = new Map();
  const absent = [];
  for (const { out, source, required, names = {} } of entries) {
    const define = Object.fromEntries(Object.entries(names).map(([constant, name]) => [constant, JSON.stringify(address(name, files.get(name)))]));
    if (existsSync(source)) files.set(out, await script(source, define));
    else if (required) throw new BuildError(`static/ts/src/${basename(source)} is missing: ${out} is built from it`);
    else absent.push(out);
  }
  files.set('pay.css', await styles(css));
  files.set('docs.css', await styles(join(css, 'docs')));
  files.set('deposit.css', await styles(join(css, 'deposit')));
  files.set('sandbox-safe.css', await styles(join(css, 'sandbox')));

  for (const [name, contents] of files) {
    const gz = weigh(name, contents);
    const budget = entries.find((e) => e.out === name)?.budget ?? Infinity;
    if (gz > budget) throw new BuildError(`${name} is ${gz} B gz, over its budget of ${budget}: nothing written`);
  }

  mkdirSync(dist, { recursive: true });
  for (const name of absent) rmSync(join(dist, name), { force: true });
  for (const [name, contents] of files) writeFileSync(join(dist, name), contents);
}

try {
  await main();
} catch (err) {
  // esbuild has already printed its own errors with their source lines.
  if (err instanceof BuildError) console.error(err.message);
  else if (!err.errors) console.error(err);
  process.exitCode = 1;
}
