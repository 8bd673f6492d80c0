// The script of a deposit's page: reads the data block and connects the parts.
import { search, whenReady } from './boot.ts';
import { DepositApi } from './deposit-api.ts';
import { type DepositPage, readDeposit, readDepositStatus } from './deposit-data.ts';
import { DepositFlow } from './deposit-flow.ts';
import type { Link, LinkModule, PayingModule } from './deposit-types.ts';
import { DepositView, drawCode, drawn, readShownQuote } from './deposit-view.ts';
import { Leave } from './leaving.ts';
import { readDrawing, says } from './qr.ts';
import { registry } from './registry.gen.ts';
import { watchStatus } from './status.ts';
import { Store } from './store.ts';
import { Wallets } from './wallets.ts';

/** deposit-pay.js, by the name of its bytes: build.mjs writes it in. */
declare const PAYING: string;
/** link.js, by the name of its bytes. */
declare const LINK: string;

function run(page: DepositPage): void {
  const api = new DepositApi(page.path, (input, init) => fetch(input, init));
  const store = new Store(() => sessionStorage, page.path);
  const wallets = new Wallets(window, (list) => flow.setWallets(list, searching));
  let searching = true;
  const visible = (): boolean => document.visibilityState === 'visible';
  const view = new DepositView(page, {
    choose: (asset) => void flow.choose(asset),
    renew: () => void flow.renew(),
    stay: () => leave.stay(),
  });
  const leave = new Leave({
    get done() {
      return store.left;
    },
    set done(value) {
      store.left = value;
    },
    visible,
    show: (seconds) => view.leaving(seconds),
    go: (url) => location.assign(url),
  });
  let stop = (): void => undefined;
  const follow = (asset: string): void => {
    stop();
    stop = watchStatus({ events: api.events(asset), status: () => api.status(asset) }, readDepositStatus, (s) => flow.onStatus(s));
  };
  let link: Link | null = null;
  const flow = new DepositFlow({
    page,
    registry,
    api,
    store,
    paying: () => import(PAYING) as Promise<PayingModule>,
    shown: readShownQuote,
    render: (f) => {
      view.render(f, flow.now());
      link?.draw();
      if (f.state() === 'paid') leave.to(f.status.returnUrl);
    },
    clock: () => Date.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    reload: () => location.reload(),
    visible,
    follow,
    chosen: (asset) => history.pushState(null, '', `${page.page}${page.page.includes('?') ? '&' : '?'}asset=${encodeURIComponent(asset)}`),
  });
  // Wallets run scripts in this page too, and their mishaps must not stop a payment.
  const own = (trace: unknown): boolean => String(trace).includes(import.meta.url);
  window.addEventListener('error', (e) => own(e.filename) && flow.broken());
  window.addEventListener('unhandledrejection', (e) => own((e.reason as Error | null)?.stack) && flow.broken());

  window.addEventListener('popstate', () => void flow.choose(new URLSearchParams(location.search).get('asset') ?? page.asset, true));
  document.addEventListener('visibilitychange', () => visible() && void flow.returned());
  // A page that is kept in the browser's memory must not hold a connection, and knows nothing new when it comes back.
  window.addEventListener('pagehide', () => stop());
  window.addEventListener('pageshow', (e) => {
    if (!e.persisted) return;
    follow(flow.f.asset?.id ?? '');
    void flow.returned();
  });

  flow.start();
  if (page.page !== page.path) {
    void import(LINK).then(({ start }: LinkModule) => {
      link = start({ flow, view, account: new Store(() => sessionStorage, `${page.path}:bank`), drawn, drawCode, readDrawing, says });
      link.draw();
      // Without it the page is what it is without any script.
    }, () => undefined);
  }
  setInterval(() => {
    flow.tick();
    leave.tick();
  }, 1_000);
  // Money may come late, so that even what is over is followed.
  follow(page.asset);
  if (page.status.state === 'open') {
    search(wallets, () => {
      searching = false;
      flow.setWallets(wallets.all(), false);
    });
  }
}

whenReady((data) => run(readDeposit(data)));
