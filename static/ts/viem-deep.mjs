import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('node_modules/viem/_esm/', import.meta.url));

// viemDeep resolves `viem-deep/utils/abi/decodeFunctionData.js` to that one
// file of viem. Importing from 'viem' itself brings 28 kB of a barrel that
// tree shaking cannot take apart; the same functions by file are 10 kB.
// tsconfig.json maps the same prefix to viem's declarations.
export const viemDeep = {
  name: 'viem-deep',
  setup(build) {
    build.onResolve({ filter: /^viem-deep\// }, ({ path }) => {
      const file = modules + path.slice('viem-deep/'.length);
      if (!existsSync(file)) {
        return { errors: [{ text: `viem has no file ${path.slice('viem-deep/'.length)}` }] };
      }
      return { path: file, sideEffects: false };
    });
  },
};

// noViemBarrel stops the page's sources from importing viem any other way.
export const noViemBarrel = {
  name: 'no-viem-barrel',
  setup(build) {
    build.onResolve({ filter: /^viem(\/|$)/ }, ({ path, importer }) => {
      if (importer.includes('node_modules')) return undefined;
      return { errors: [{ text: `import '${path}' brings viem's barrel: import the file from 'viem-deep/...' instead` }] };
    });
  },
};
