// The page's script for paying without gas and for wallets that make several calls
// at once, fetched once a wallet is there.
import { module } from './data.ts';
import { GaslessPay } from './gasless-pay.ts';
import type { GaslessModule, OperationModule } from './gasless-types.ts';
import { GaslessView } from './gasless-view.ts';
import type { KitModule } from './kit-types.ts';

/** operation.js, by the name of its bytes: build.mjs writes it in. */
declare const OPERATION: string;

/** Fetches a kit: a script of this site, by the name of its bytes. */
const load = (url: string): Promise<KitModule> => (url && module.test(url) ? (import(url) as Promise<KitModule>) : Promise.reject(new Error('no kit')));

export const start: GaslessModule['start'] = (host) => {
  const gasless: GaslessPay = new GaslessPay(
    host,
    new GaslessView({
      pick: (way) => gasless.pick(way),
      cap: (units) => gasless.cap(units),
      revoke: () => void gasless.revoking.go(gasless.ready),
    }),
    async (h) => ((await import(OPERATION)) as OperationModule).operating(h, load),
    location.origin,
  );
  return gasless;
};
