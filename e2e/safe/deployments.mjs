// The official deployments as @safe-global/safe-deployments lists them, on the chains that the product knows.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const safe = require('@safe-global/safe-deployments');
const { version } = require('@safe-global/safe-deployments/package.json');

export const chains = ['1', '10', '56', '137', '8453', '42161', '11155111'];

const kinds = {
  Safe: safe.getSafeSingletonDeployments,
  SafeL2: safe.getSafeL2SingletonDeployments,
  SafeProxyFactory: safe.getProxyFactoryDeployments,
  MultiSendCallOnly: safe.getMultiSendCallOnlyDeployments,
  MultiSend: safe.getMultiSendDeployments,
  CompatibilityFallbackHandler: safe.getCompatibilityFallbackHandlerDeployments,
};

// list has one entry for each contract that is deployed on a chain, the packages' preferred one first.
export function list() {
  const entries = [];
  for (const release of ['1.3.0', '1.4.1', '1.5.0']) {
    for (const [contract, find] of Object.entries(kinds)) {
      const found = find({ version: release, released: true });
      for (const chain of chains) {
        for (const name of [found.networkAddresses[chain]].flat()) {
          const { codeHash } = Object.values(found.deployments).find((d) => d.address === name);
          entries.push({ version: release, contract, chain: Number(chain), address: name, codeHash });
        }
      }
    }
  }
  return entries;
}

export function deployments() {
  const lines = list().map((e) => JSON.stringify(e)).join(',\n');
  return `{"source":"@safe-global/safe-deployments@${version}, MIT","deployments":[\n${lines}\n]}\n`;
}
