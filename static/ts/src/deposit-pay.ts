// The script that pays a deposit with a wallet of this browser, fetched once there
// is one.
import { DepositPaying } from './deposit-paying.ts';
import { PayingView } from './deposit-paying-view.ts';
import type { PayingModule } from './deposit-types.ts';
import { Tabs } from './tabs.ts';

export const start: PayingModule['start'] = (host) => {
  const view = new PayingView(host.f, {
    connect: (id) => paying.choose(id),
    change: () => paying.forget(),
    refresh: () => void paying.prepare(),
    go: () => void paying.go(),
    retry: () => paying.retry(),
  });
  const tabs = new Tabs(
    host.f.page.path,
    navigator.locks,
    (signing) => paying.setElsewhere(signing),
    (sent) => paying.adopt(sent),
    () => paying.sent,
  );
  const paying = new DepositPaying(host, { tabs, draw: (p) => view.draw(p) });
  return paying;
};
