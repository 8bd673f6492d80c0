// Takes ABI and creation code of the official Request Network contracts out of the npm package
// @requestnetwork/smart-contracts into testdata/official.json, against which the Go tests hold the
// sandbox's own contracts. Needs the package unpacked somewhere: its directory is the last argument.
//
//   node official.mjs PACKAGE_DIR           writes the file
//   node official.mjs --check PACKAGE_DIR   fails if the file is not what the package says
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const version = '0.48.0';
const names = ['ERC20FeeProxy', 'EthereumFeeProxy', 'BatchConversionPayments'];

const args = process.argv.slice(2).filter((a) => a !== '--check');
if (args.length !== 1) {
  console.error('usage: node official.mjs [--check] PACKAGE_DIR');
  process.exit(2);
}
const dir = args[0];
const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
if (manifest.name !== '@requestnetwork/smart-contracts' || manifest.version !== version) {
  console.error(`${dir} is ${manifest.name} ${manifest.version}, not @requestnetwork/smart-contracts ${version}`);
  process.exit(1);
}
if (manifest.license !== 'MIT') {
  console.error(`the package's licence is ${manifest.license}, not MIT: its code must not be copied unseen`);
  process.exit(1);
}

const contracts = {};
for (const name of names) {
  // The factories import ethers, which is not needed for the two constants.
  const source = readFileSync(join(dir, 'dist/src/types/factories/src/contracts', `${name}__factory.js`), 'utf8');
  const constants = source.slice(source.indexOf('const _abi ='), source.indexOf('const isSuperArgs'));
  const read = vm.runInNewContext(`${constants}; JSON.stringify({ abi: _abi, creation: _bytecode })`);
  contracts[name] = JSON.parse(read);
}
const text =
  JSON.stringify(
    {
      source: `${manifest.name}@${manifest.version}, dist/src/types/factories/src/contracts`,
      license: readFileSync(join(dir, 'LICENSE'), 'utf8'),
      contracts,
    },
    null,
    1,
  ) + '\n';
const target = join(dirname(fileURLToPath(import.meta.url)), 'testdata', 'official.json');
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('testdata/official.json differs from the package');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
