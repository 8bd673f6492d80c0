// The script of a payment that is shown to some wallets only: connects one, and
// loads the page anew once it is let in.
import { apiFor, search, whenReady } from './boot.ts';
import { readLocked } from './data.ts';
import { Lock } from './lock.ts';
import { appAround, asWallet } from './safe-frame.ts';
import { Store } from './store.ts';
import { View } from './view.ts';
import { Wallets } from './wallets.ts';

whenReady((data) => {
  const { token, state } = readLocked(data);
  const store = new Store(() => sessionStorage, token);
  const wallets = new Wallets(window, (list) => lock.setWallets(list, true));
  const view = new View({
    connect: (id) => {
      const wallet = wallets.get(id);
      if (wallet) void lock.connect(wallet);
    },
    change: () => lock.change(),
    switchChain: () => undefined,
    refresh: () => undefined,
    go: () => undefined,
    retry: () => lock.retry(),
  });
  const lock = new Lock({ state, api: apiFor(token), store, render: (m) => view.render(m), reload: () => location.reload() });
  // Only a Safe's app answers; who may frame the page at all, the server's policy says.
  if (window.parent !== window) {
    const app = appAround(window);
    app.info().then(() => wallets.add(asWallet(app)), () => undefined);
  }
  search(wallets, () => lock.setWallets(wallets.all(), false));
});
