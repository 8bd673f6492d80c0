// The script of other ways to pay, fetched once a wallet is there.
import type { WaysModule } from './ways-types.ts';
import { WaysView } from './ways-view.ts';
import { OtherWays } from './ways.ts';

export const start: WaysModule['start'] = (host) => {
  const ways: OtherWays = new OtherWays(host, new WaysView({ select: (id) => ways.select(id), look: () => ways.look() }));
  return ways;
};
