// The official contracts' deployed code and ABI, each held against the hash of what is deployed.
import { keccak256 } from 'viem';
import { artifact, licence, manifest, names, versions } from './artifacts.mjs';
import { list } from './deployments.mjs';

// What L2 adds is an event that nothing here reads.
const withoutABI = ['SafeL2', 'SafeProxy', 'CompatibilityFallbackHandler'];

export function contracts() {
  const hashes = new Set(list().map((d) => `${d.version} ${d.contract} ${d.codeHash}`));
  const of = (version, name) => {
    const { abi, deployedBytecode: runtime } = artifact(version, name);
    const codeHash = keccak256(runtime);
    // Proxies stand at no one address: their factory holds them.
    const proven =
      name === 'SafeProxy'
        ? artifact(version, 'SafeProxyFactory').deployedBytecode.includes(runtime.slice(2))
        : hashes.has(`${version} ${name} ${codeHash}`);
    if (!proven) throw new Error(`${name} ${version} is not what is deployed: ${codeHash}`);
    return { codeHash, runtime, ...(withoutABI.includes(name) ? {} : { abi }) };
  };
  const releases = versions.map((version) => {
    const { name } = manifest(version);
    return [version, { source: `${name}@${version}, build/artifacts`, contracts: Object.fromEntries(names.map((n) => [n, of(version, n)])) }];
  });
  const out = { licence: `LGPL-3.0-only\n\n${licence('1.5.0')}`, releases: Object.fromEntries(releases) };
  return `${JSON.stringify(out, null, 1)}\n`;
}
