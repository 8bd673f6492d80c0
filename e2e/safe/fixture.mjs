// The committed reference values, the official contracts beside them, and the seed that made the values.
const testdata = new URL('../../internal/safe/testdata/', import.meta.url);

export const vectorsFile = new URL('protocol-kit.json', testdata);
export const deploymentsFile = new URL('deployments.json', testdata);
// Beside the package that puts them on chains, of tests and of the sandbox.
export const contractsFile = new URL('../artifacts/contracts.json', testdata);
export const fixtureSeed = 'quittance safe vectors 1';
