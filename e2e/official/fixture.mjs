// The committed reference values and the seed that made them.
export const fixture = new URL('../../internal/official/testdata/official-vectors.json', import.meta.url);
export const fixtureSeed = 'quittance official vectors 1';
