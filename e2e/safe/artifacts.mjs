// Where the official packages keep their contracts.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('node_modules/', import.meta.url));

const packages = {
  '1.3.0': '@gnosis.pm/safe-contracts',
  '1.4.1': '@safe-global/safe-contracts',
  '1.5.0': '@safe-global/safe-smart-account',
};

export const versions = Object.keys(packages);

const sources = {
  Safe: ['Safe', 'GnosisSafe'],
  SafeL2: ['SafeL2', 'GnosisSafeL2'],
  SafeProxy: ['proxies/SafeProxy', 'proxies/GnosisSafeProxy'],
  SafeProxyFactory: ['proxies/SafeProxyFactory', 'proxies/GnosisSafeProxyFactory'],
  MultiSendCallOnly: ['libraries/MultiSendCallOnly'],
  CompatibilityFallbackHandler: ['handler/CompatibilityFallbackHandler'],
};

export const names = Object.keys(sources);

// manifest is a package's own description, its version checked.
export function manifest(version) {
  const text = readFileSync(`${modules}${packages[version]}/package.json`, 'utf8');
  const read = JSON.parse(text);
  if (read.version !== version) throw new Error(`${read.name} is ${read.version}, not ${version}`);
  return read;
}

export function licence(version) {
  return readFileSync(`${modules}${packages[version]}/LICENSE`, 'utf8');
}

// artifact is what the package built of one contract. The contracts were renamed after 1.3.0.
export function artifact(version, name) {
  for (const source of sources[name]) {
    const base = source.split('/').pop();
    const file = `${modules}${packages[version]}/build/artifacts/contracts/${source}.sol/${base}.json`;
    if (!existsSync(file)) continue;
    const spdx = readFileSync(`${modules}${packages[version]}/contracts/${source}.sol`, 'utf8').split('\n', 1)[0];
    if (spdx !== '// SPDX-License-Identifier: LGPL-3.0-only') throw new Error(`${source}: ${spdx}`);
    return JSON.parse(readFileSync(file, 'utf8'));
  }
  throw new Error(`${packages[version]} has no ${name}`);
}
