// Where the packages are, and where what comes of them is kept.
import { readFileSync } from 'node:fs';

const modules = new URL('node_modules/', import.meta.url);
const userop = new URL('../../internal/userop/', import.meta.url);

export const vectorsFile = new URL('testdata/packages.json', userop);
// In a package of their own, from which chains of one's own get them.
export const contractsFile = new URL('artifacts/contracts.json', userop);
export const standinsFile = new URL('artifacts/standins.json', userop);
export const sources = new URL('artifacts/contracts/', userop);
export const safeDeploymentsFile = new URL('../../internal/safe/testdata/deployments.json', import.meta.url);
export const fixtureSeed = 'quittance userop vectors 1';

export const readModule = (path) => readFileSync(new URL(path, modules), 'utf8');

export function installed(name) {
  return JSON.parse(readModule(`${name}/package.json`)).version;
}
