// Compiles the sandbox contracts into artifacts.json, which the Go package embeds. The output depends
// only on the sources and the pinned compiler: no metadata hash, sorted names, fixed formatting.
// With --check nothing is written; a difference from the committed file is an error.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const solc = require('solc');
const { keccak256 } = require('js-sha3');

const names = readdirSync(here)
  .filter((f) => f.endsWith('.sol'))
  .sort();
const sources = Object.fromEntries(names.map((f) => [f, { content: readFileSync(join(here, f), 'utf8') }]));
const settings = {
  // Every chain the sandbox runs has the Cancun opcodes.
  evmVersion: 'cancun',
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
};
const compile = (files, viaIR) => {
  const outputs = ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'storageLayout'];
  const outputSelection = Object.fromEntries(files.map((f) => [f, { '*': outputs }]));
  const input = { language: 'Solidity', sources, settings: { ...settings, viaIR, outputSelection } };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  if (output.errors?.length) {
    for (const e of output.errors) console.error(e.formattedMessage);
    process.exit(1);
  }
  return output.contracts;
};
// The structures of bridges hold more values than the older code generator can keep on the stack.
const wide = (f) => /^(Across|Lifi)/.test(f);
const compiled = {
  ...compile(names.filter((f) => !wide(f)), false),
  ...compile(names.filter(wide), true),
};

const contracts = {};
for (const file of names) {
  const name = file.replace(/\.sol$/, '');
  const c = compiled[file][name];
  // An internal library or a base is part of its users' code.
  if (!c.evm.deployedBytecode.object || !c.abi.some((e) => e.type === 'function')) continue;
  const runtime = c.evm.deployedBytecode.object;
  contracts[name] = {
    abi: c.abi,
    creation: '0x' + c.evm.bytecode.object,
    runtime: '0x' + runtime,
    runtimeKeccak256: '0x' + keccak256(Buffer.from(runtime, 'hex')),
    // The genesis block writes state by variable name; packed variables carry their byte offset.
    storage: Object.fromEntries(
      c.storageLayout.storage.map((v) => [v.label, { slot: Number(v.slot), offset: v.offset }]),
    ),
  };
}
const text = JSON.stringify({ compiler: solc.version(), evmVersion: settings.evmVersion, contracts }, null, 1) + '\n';
const target = join(here, 'artifacts.json');
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('artifacts.json is not what the sources compile to: run npm run build');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
