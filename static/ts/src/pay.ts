// The page's script: reads the data block and connects the parts.
import { readStatus } from './api.ts';
import { apiFor, search, whenReady } from './boot.ts';
import { type Payment, readPayment } from './data.ts';
import { type Deps, Flow } from './flow.ts';
import { registry } from './registry.gen.ts';
import { watchStatus } from './status.ts';
import { Store } from './store.ts';
import { Tabs } from './tabs.ts';
import { View, readShown } from './view.ts';
import { Wallets } from './wallets.ts';

function run(payment: Payment): void {
  const token = payment.token;
  const offset = payment.now - Date.now();
  const api = apiFor(token);
  const store = new Store(() => sessionStorage, token);
  const wallets = new Wallets(window, (list) => found(list));
  const view = new View({
    connect: (id) => {
      const wallet = wallets.get(id);
      last = null;
      if (wallet) void flow.connect(wallet);
    },
    change: () => {
      last = null;
      flow.forgetWallet();
    },
    switchChain: () => void flow.switchChain(),
    refresh: () => flow.refresh(),
    go: () => void flow.go(),
    retry: () => flow.retry(),
  });
  const tabs = new Tabs(
    token,
    navigator.locks,
    (signing) => flow.setElsewhere(signing),
    (sent) => flow.adopt(sent),
    () => store.sent,
  );
  const flow = new Flow({
    payment,
    registry,
    api,
    store,
    tabs,
    shown: () => readShown(payment),
    render: (m) => view.render(m),
    now: () => Date.now() + offset,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    reload: () => location.reload(),
    ways: () => import(payment.ways) as ReturnType<Deps['ways']>,
    route: () => import(payment.route) as ReturnType<Deps['route']>,
    safe: () => import(payment.safe) as ReturnType<Deps['safe']>,
    gasless: () => import(payment.gasless) as ReturnType<Deps['gasless']>,
    framed: payment.framed && window.parent !== window,
    offer: (wallet) => wallets.add(wallet),
  });
  // Wallets run scripts in this page too, and their mishaps must not stop a payment.
  const own = (trace: unknown): boolean => String(trace).includes(import.meta.url);
  window.addEventListener('error', (e) => own(e.filename) && flow.broken());
  window.addEventListener('unhandledrejection', (e) => own((e.reason as Error | null)?.stack) && flow.broken());

  let searching = true;
  /** The wallet chosen before a reload, until it is found or the payer chooses anew. */
  let last = store.wallet;
  function found(list: Parameters<Flow['setWallets']>[0]): void {
    flow.setWallets(list, searching);
    const wallet = last ? wallets.get(last) : undefined;
    if (!wallet) return;
    last = null;
    void flow.connect(wallet, true).catch(() => undefined);
  }

  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && flow.returned());

  flow.start();
  setInterval(() => flow.tick(), 1_000);
  if (payment.state !== 'paid' && payment.state !== 'unsafe') {
    const stop = watchStatus(api, readStatus, (s) => {
      flow.onStatus(s);
      // Nothing comes after paid.
      if (s.state === 'paid') stop();
    });
  }
  if (payment.payable) {
    search(wallets, () => {
      searching = false;
      found(wallets.all());
    });
  }
}

whenReady((data) => run(readPayment(data)));
