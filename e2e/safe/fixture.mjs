// The committed reference values, the official contracts beside them, and the seed that made the values.
const testdata = new URL('../../internal/safe/testdata/', import.meta.url);

export const vectorsFile = new URL('protocol-kit.json', testdata);
export const deploymentsFile = new URL('deployments.json', testdata);
// Beside the player of chains, which needs them to run.
export const contractsFile = new URL('../safetest/testdata/contracts.json', testdata);
export const fixtureSeed = 'quittance safe vectors 1';
