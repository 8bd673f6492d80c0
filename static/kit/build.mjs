// Builds the kits of smart accounts: static/dist/kit-*.js from src/, and
// static/dist/kit-licenses.txt with the licences of what is inside them. The
// output is committed and embedded, so the same sources must give the same bytes.
// Prints what each file weighs, and fails when one is heavier than its budget or
// holds a package that may not be passed on.
//
// The bundler and the type checker are those of the page's script.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { licences } from './licences.mjs';

const { build } = createRequire(new URL('../ts/package.json', import.meta.url))('esbuild');

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = fileURLToPath(new URL('../dist/', import.meta.url));

// A budget, compressed, is what a phone on a slow network has to fetch before the
// first payment without gas.
const kits = [
  { out: 'kit-light.js', source: 'src/light.ts', budget: 130_000 },
  { out: 'kit-safe.js', source: 'src/safe.ts', budget: 82_000 },
];

class BuildError extends Error {}

// What the packages name and the kits never run, by who names it. Nothing of what is
// unreachable may be in a bundle at all; the others are behind what nobody here asks for.
const leftOut = [
  { path: /^@account-kit\/logging$/, by: /./, unreachable: true }, // analytics
  { path: /^alchemy-sdk$/, by: /./, unreachable: true }, // Alchemy's other services
  { path: /^webauthn-p256$/, by: /./, unreachable: true }, // passkeys
  { path: /^ox$/, by: /\/permissionless\//, unreachable: false }, // passkeys
  { path: /^\.\/chains\.js$/, by: /\/infra\/dist\/esm\/gas-manager\.js$/, unreachable: false }, // gas paid in tokens: a list of chains and their hosts
];

const without = {
  name: 'without',
  setup(b) {
    b.onResolve({ filter: /./ }, ({ path, importer }) => {
      const found = leftOut.find((l) => l.path.test(path) && l.by.test(importer));
      return found && { path, namespace: found.unreachable ? 'unreachable' : 'left-out', sideEffects: false };
    });
    const contents = 'module.exports = new Proxy({}, { get() { throw new Error("this was left out of the kit"); } });';
    b.onLoad({ filter: /./, namespace: 'unreachable' }, () => ({ contents }));
    b.onLoad({ filter: /./, namespace: 'left-out' }, () => ({ contents }));
  },
};

async function bundle({ out, source }) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: [source],
    outfile: out,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    charset: 'utf8',
    sourcemap: false,
    legalComments: 'none',
    metafile: true,
    plugins: [without],
    logLevel: 'warning',
    write: false,
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  const used = Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file);
  const wrong = used.find((file) => file.startsWith('unreachable:'));
  if (wrong) throw new BuildError(`${out} can reach what was left out: ${wrong}`);
  return { code: outputFiles[0].text, used };
}

async function main() {
  const built = [];
  for (const kit of kits) built.push({ ...kit, ...(await bundle(kit)) });
  const files = new Map();
  for (const { out, code, used, budget } of built) {
    // Notices go wherever the code goes.
    const text = `/*! ${licences(here, used)}*/\n${code}`;
    const gz = gzipSync(text, { level: 9 }).length;
    const column = (n, unit) => `${n.toLocaleString('en')} ${unit}`.padStart(14);
    console.log(`${out.padEnd(20)}${column(Buffer.byteLength(text), 'B')}${column(gz, 'B gz')}`);
    if (gz > budget) throw new BuildError(`${out} is ${gz} B gz, over its budget of ${budget}: nothing written`);
    files.set(out, text);
  }
  files.set('kit-licenses.txt', licences(here, built.flatMap(({ used }) => used)));
  for (const [name, text] of files) writeFileSync(`${dist}${name}`, text);
}

try {
  await main();
} catch (err) {
  // esbuild has already printed its own errors with their source lines.
  if (err instanceof BuildError) console.error(err.message);
  else if (!err.errors) console.error(err);
  process.exitCode = 1;
}
