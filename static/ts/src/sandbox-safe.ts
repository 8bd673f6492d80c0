// The demo's Safe app: a page that stands in for Safe's own. It shows the Safe,
// opens a checkout in a frame and answers it by the Safe Apps protocol, and lets
// one person play all owners. The keys and the queue are the demo server's. It is
// a bundle of its own and is never part of a production page.
import { fields } from './data.ts';

interface Network {
  readonly network: string;
  readonly name: string;
  readonly chainId: number;
  readonly shortName: string;
  readonly explorer: string;
  readonly native: { readonly name: string; readonly symbol: string; readonly decimals: number };
  readonly tokens: Readonly<Record<string, { readonly address: string; readonly decimals: number }>>;
}

interface Config {
  /** Path of the Safe's server, followed by a network. */
  readonly api: string;
  readonly rpc: string;
  /** Whose pages the frame may show. */
  readonly checkout: string;
  readonly networks: readonly Network[];
}

interface SafeCall {
  readonly to: string;
  readonly value: string;
  readonly data: string;
}

interface Transaction {
  readonly safeTxHash: string;
  readonly state: 'queued' | 'executed' | 'failed' | 'replaced';
  readonly safeTx: Readonly<Record<string, string | number>>;
  readonly calls: readonly SafeCall[];
  readonly confirmations: readonly { readonly owner: string; readonly signature: string }[];
  readonly threshold: number;
  readonly txHash?: string;
  readonly createdAt: string;
}

interface Safe {
  readonly address: string;
  readonly version: string;
  readonly network: string;
  readonly chainId: number;
  readonly owners: readonly string[];
  readonly threshold: number;
  readonly nonce: number;
  readonly balances: Readonly<Record<string, string>>;
  readonly singleton: string;
  readonly fallbackHandler: string;
  readonly transactions: readonly Transaction[];
}

const refreshEvery = 1_000;

const must = <E extends HTMLElement>(id: string, kind: new () => E): E => {
  const el = document.getElementById(id);
  if (!(el instanceof kind)) throw new Error(`the page has no ${id}`);
  return el;
};

const page = must('safe-app', HTMLElement);
const config = JSON.parse(page.dataset['config'] ?? '') as Config;
const frame = must('safe-frame', HTMLIFrameElement);
const actor = must('safe-actor', HTMLSelectElement);
const chains = must('safe-chain', HTMLSelectElement);
const address = must('safe-url', HTMLInputElement);
const queue = must('safe-queue', HTMLElement);
const said = must('safe-said', HTMLElement);

let network = config.networks[0] as Network;
let safe: Safe | null = null;
let drawn = '';

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, words = ''): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  if (className) el.className = className;
  el.textContent = words;
  return el;
}

const short = (hash: string): string => `${hash.slice(0, 8)}…${hash.slice(-6)}`;
const owner = (): number => Number(actor.value);

/** Base units in whole ones, by digits alone. */
function units(amount: string, decimals: number): string {
  const digits = amount.padStart(decimals + 1, '0');
  const whole = digits.slice(0, -decimals).replace(/\B(?=(\d{3})+$)/g, ',');
  const rest = digits.slice(-decimals).replace(/0+$/, '');
  return rest ? `${whole}.${rest}` : whole;
}

/** Says something to whoever sits in front of the page. */
function tell(words: string, kind: 'info' | 'error' = 'info'): void {
  said.textContent = words;
  said.dataset['kind'] = kind;
  said.hidden = words === '';
}

async function ask<T>(path: string, body?: object): Promise<T> {
  const init: RequestInit = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`${config.api}/${network.network}${path}`, { credentials: 'same-origin', cache: 'no-store', ...init });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(String(fields(answer)?.['error'] ?? response.status));
  return answer as T;
}

// The Safe and its queue.

async function refresh(): Promise<Safe> {
  const asked = network;
  const now = await ask<Safe>('');
  if (asked === network) draw(now);
  return now;
}

function draw(now: Safe): void {
  safe = now;
  const text = JSON.stringify(now);
  if (text === drawn) return;
  drawn = text;
  must('safe-address', HTMLElement).textContent = now.address;
  must('safe-threshold', HTMLElement).textContent = `${now.threshold} of ${now.owners.length} owners`;
  must('safe-nonce', HTMLElement).textContent = String(now.nonce);
  must('safe-native', HTMLElement).textContent = `${units(now.balances['native'] ?? '0', network.native.decimals)} ${network.native.symbol}`;
  must('safe-tokens', HTMLElement).replaceChildren(
    ...Object.entries(network.tokens).map(([symbol, t]) => element('span', 'owner-app-token', `${units(now.balances[symbol] ?? '0', t.decimals)} ${symbol}`)),
  );
  must('safe-owners', HTMLElement).replaceChildren(...now.owners.map((o, i) => element('li', 'hash', `${i + 1}: ${o}`)));
  queue.replaceChildren(...now.transactions.map((t) => row(t, now)));
  must('safe-empty', HTMLElement).hidden = now.transactions.length > 0;
}

const stateWords: Readonly<Record<Transaction['state'], string>> = { queued: 'Waiting', executed: 'Executed', failed: 'Failed', replaced: 'Replaced' };

const isRejection = (t: Transaction): boolean => String(t.safeTx['to']).toLowerCase() === safe?.address.toLowerCase() && t.safeTx['data'] === '0x';

function row(t: Transaction, now: Safe): HTMLElement {
  const item = element('li', 'owner-app-tx');
  Object.assign(item.dataset, { testid: 'safe-tx', hash: t.safeTxHash, state: t.state, signed: String(t.confirmations.length) });
  const what = isRejection(t) ? 'Rejection' : t.calls.length === 1 ? '1 call' : `Batch of ${t.calls.length} calls`;
  const head = element('h3', 'owner-app-tx-title', `#${t.safeTx['nonce']} ${what}`);
  const state = element('span', 'owner-app-state', stateWords[t.state]);
  state.dataset['state'] = t.state;
  head.append(' ', state);
  const gas = Number(t.safeTx['safeTxGas']) > 0 ? ', may fail for good' : '';
  const facts = element('p', 'quiet', `${t.confirmations.length} of ${t.threshold} signatures${gas}`);
  const hash = element('code', 'hash', short(t.safeTxHash));
  hash.title = t.safeTxHash;
  const who = t.confirmations.map((c) => now.owners.indexOf(c.owner) + 1).sort();
  item.append(head, facts, element('p', 'quiet', `Signed by owner ${who.join(', ')}`), hash);
  if (t.txHash) {
    const link = element('a', 'small', 'Transaction');
    link.href = `${network.explorer}/tx/${t.txHash}`;
    item.append(' ', link);
  }
  if (t.state === 'queued') item.append(controls(t, now));
  return item;
}

function controls(t: Transaction, now: Safe): HTMLElement {
  const group = element('div', 'owner-app-tx-controls');
  const add = (words: string, testid: string, action: string, body: object): void => {
    const b = element('button', 'button button-second', words);
    b.type = 'button';
    b.dataset['testid'] = testid;
    b.addEventListener('click', () => {
      b.disabled = true;
      void act(t, action, { owner: owner(), ...body }, b);
    });
    group.append(b);
  };
  const enough = t.confirmations.length >= t.threshold;
  if (!t.confirmations.some((c) => c.owner === now.owners[owner() - 1])) add(`Sign as owner ${owner()}`, 'safe-sign', 'sign', {});
  if (enough && String(t.safeTx['nonce']) === String(now.nonce)) {
    add('Execute', 'safe-execute', 'execute', {});
    if (Number(t.safeTx['safeTxGas']) > 0) add('Execute and fail', 'safe-fail', 'execute', { fail: true });
  }
  if (!isRejection(t)) add('Reject', 'safe-reject', 'reject', {});
  return group;
}

async function act(t: Transaction, action: string, body: object, b: HTMLButtonElement): Promise<void> {
  try {
    await ask(`/transactions/${t.safeTxHash}/${action}`, body);
    tell('');
    drawn = '';
    await refresh();
  } catch (err) {
    tell(String(err instanceof Error ? err.message : err), 'error');
    b.disabled = false;
  }
}

// The host's side of the Safe Apps protocol.

const hostVersion = '9.1.0';
const noThanks = 'User rejected transaction';

async function answer(method: string, params: Record<string, unknown>): Promise<unknown> {
  switch (method) {
    case 'getSafeInfo':
      return info(await refresh());
    case 'getEnvironmentInfo':
      return { origin: location.origin };
    case 'getChainInfo':
      return {
        chainName: network.name, chainId: String(network.chainId), shortName: network.shortName,
        nativeCurrency: { ...network.native, logoUri: '' },
        blockExplorerUriTemplate: { address: `${network.explorer}/address/{{address}}`, txHash: `${network.explorer}/tx/{{txHash}}`, api: '' },
      };
    case 'getSafeBalances':
      return balances(await refresh());
    case 'getTxBySafeTxHash':
      return details(await ask<Transaction>(`/transactions/${encodeURIComponent(String(params['safeTxHash']))}`), await refresh());
    case 'rpcCall':
      return rpc(String(params['call']), params['params']);
    case 'sendTransactions':
      return propose(params);
  }
  throw new Error(`The sandbox's Safe app does not know ${method}`);
}

function info(now: Safe): unknown {
  return {
    safeAddress: now.address, chainId: now.chainId, owners: now.owners, threshold: now.threshold, isReadOnly: false, network: network.name,
    nonce: now.nonce, version: now.version, implementation: now.singleton, modules: [], fallbackHandler: now.fallbackHandler, guard: null,
  };
}

function balances(now: Safe): unknown {
  const zero = `0x${'0'.repeat(40)}`;
  const item = (type: string, at: string, symbol: string, decimals: number, balance: string): unknown => ({
    tokenInfo: { type, address: at, symbol, name: symbol, decimals, logoUri: '' }, balance, fiatBalance: '0', fiatConversion: '0',
  });
  return {
    fiatTotal: '0',
    items: [
      item('NATIVE_TOKEN', zero, network.native.symbol, network.native.decimals, now.balances['native'] ?? '0'),
      ...Object.entries(network.tokens).map(([symbol, t]) => item('ERC20', t.address, symbol, t.decimals, now.balances[symbol] ?? '0')),
    ],
  };
}

function details(t: Transaction, now: Safe): unknown {
  const waiting = t.confirmations.length < t.threshold ? 'AWAITING_CONFIRMATIONS' : 'AWAITING_EXECUTION';
  const status = { queued: waiting, executed: 'SUCCESS', failed: 'FAILED', replaced: 'CANCELLED' }[t.state];
  const at = Date.parse(t.createdAt);
  const named = (value: unknown): unknown => ({ value, name: null, logoUri: null });
  return {
    safeAddress: now.address, txId: `multisig_${now.address}_${t.safeTxHash}`, executedAt: null, txStatus: status, txHash: t.txHash ?? null,
    txInfo: { type: 'Custom', to: named(t.safeTx['to']), dataSize: String((String(t.safeTx['data']).length - 2) / 2), value: t.safeTx['value'], isCancellation: isRejection(t) },
    txData: { hexData: t.safeTx['data'], dataDecoded: null, to: named(t.safeTx['to']), value: t.safeTx['value'], operation: t.safeTx['operation'] },
    detailedExecutionInfo: {
      type: 'MULTISIG', submittedAt: at, nonce: Number(t.safeTx['nonce']), safeTxGas: t.safeTx['safeTxGas'], baseGas: t.safeTx['baseGas'],
      gasPrice: t.safeTx['gasPrice'], gasToken: t.safeTx['gasToken'], refundReceiver: named(t.safeTx['refundReceiver']), safeTxHash: t.safeTxHash,
      executor: null, signers: now.owners.map(named), confirmationsRequired: t.threshold, rejectors: [], trusted: true,
      confirmations: t.confirmations.map((c) => ({ signer: named(c.owner), signature: c.signature, submittedAt: at })),
    },
    safeAppInfo: { name: 'Quittance', url: config.checkout, logoUri: null },
  };
}

async function rpc(method: string, params: unknown): Promise<unknown> {
  const response = await fetch(`${config.rpc}/${network.network}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: params ?? [] }),
  });
  const body = fields(await response.json());
  const error = fields(body?.['error']);
  if (error) throw new Error(String(error['message']));
  return body?.['result'] ?? null;
}

function callOf(value: unknown): SafeCall {
  const f = fields(value) ?? {};
  return { to: String(f['to']), value: String(f['value'] ?? '0'), data: String(f['data'] ?? '0x') };
}

let asking = false;

/** Asks whoever plays the owners, and proposes what they agree to. */
async function propose(params: Record<string, unknown>): Promise<unknown> {
  const txs = params['txs'];
  if (!Array.isArray(txs) || txs.length === 0) throw new Error('No transactions were passed');
  if (asking) throw new Error('The Safe app is already asking something');
  asking = true;
  try {
    const calls = txs.map(callOf);
    const chosen = await confirm(calls, Number(fields(params['params'])?.['safeTxGas'] ?? 0) > 0);
    if (!chosen) throw new Error(noThanks);
    const made = await ask<Transaction>('/transactions', { calls, owner: chosen.owner, safeTxGas: chosen.fails ? 1 : 0 });
    drawn = '';
    await refresh();
    tell('');
    return { safeTxHash: made.safeTxHash };
  } finally {
    asking = false;
  }
}

/** Shows the calls; null if they are turned down. */
function confirm(calls: readonly SafeCall[], fails: boolean): Promise<{ owner: number; fails: boolean } | null> {
  const dialog = must('safe-dialog', HTMLDialogElement);
  const signer = must('safe-dialog-owner', HTMLSelectElement);
  const failing = must('safe-dialog-fails', HTMLInputElement);
  must('safe-dialog-calls', HTMLElement).replaceChildren(
    ...calls.flatMap((c, i) => [element('dt', '', `Call ${i + 1}`), element('dd', '', `${c.to}, ${units(c.value, network.native.decimals)} ${network.native.symbol}, ${c.data}`)]),
  );
  must('safe-dialog-about', HTMLElement).textContent =
    `${calls.length === 1 ? 'One call' : `${calls.length} calls in one batch`} on ${network.name}, from ${new URL(frame.src).host}.`;
  signer.value = actor.value;
  failing.checked = fails;
  dialog.returnValue = '';
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes' ? { owner: Number(signer.value), fails: failing.checked } : null), { once: true });
    dialog.showModal();
  });
}

window.addEventListener('message', (e: MessageEvent<unknown>) => {
  const f = fields(e.data);
  const env = fields(f?.['env']);
  // Only the page in the frame is answered, and only where it came from.
  if (e.source !== frame.contentWindow || e.origin !== config.checkout || typeof f?.['id'] !== 'string' || !env) return;
  const { id, method } = f;
  const reply = (body: object): void => frame.contentWindow?.postMessage({ id, version: hostVersion, ...body }, e.origin);
  answer(String(method), fields(f['params']) ?? {}).then(
    (data) => reply({ success: true, data }),
    (err: unknown) => reply({ success: false, error: err instanceof Error ? err.message : String(err) }),
  );
});

// The page around it.

function open(url: string): void {
  let wanted: URL;
  try {
    wanted = new URL(url);
  } catch {
    return tell('This is no link.', 'error');
  }
  if (wanted.origin !== config.checkout) return tell(`This Safe app opens payment links of ${config.checkout} only.`, 'error');
  tell('');
  frame.src = wanted.href;
  frame.hidden = false;
  must('safe-no-app', HTMLElement).hidden = true;
  const own = new URL(location.href);
  own.searchParams.set('app', wanted.href);
  history.replaceState(null, '', own);
}

function choose(name: string): void {
  network = config.networks.find((n) => n.network === name) ?? network;
  chains.value = network.network;
  drawn = '';
}

const asked = new URLSearchParams(location.search);
choose(asked.get('chain') ?? '');
const app = asked.get('app');
if (app) {
  address.value = app;
  open(app);
}
must('safe-open', HTMLFormElement).addEventListener('submit', (e) => {
  e.preventDefault();
  open(address.value.trim());
});
chains.addEventListener('change', () => {
  // An app is opened for one chain's Safe: the page around it starts anew.
  const own = new URL(location.href);
  own.searchParams.set('chain', chains.value);
  location.assign(own);
});
actor.addEventListener('change', () => {
  drawn = '';
  if (safe) draw(safe);
});
for (const [id, value] of [['safe-dialog-yes', 'yes'], ['safe-dialog-no', 'no']] as const) {
  must(id, HTMLButtonElement).addEventListener('click', () => must('safe-dialog', HTMLDialogElement).close(value));
}

async function keepFresh(): Promise<void> {
  try {
    await refresh();
  } catch (err) {
    tell(`The sandbox does not answer: ${err instanceof Error ? err.message : String(err)}`, 'error');
  }
  setTimeout(() => void keepFresh(), refreshEvery);
}
void keepFresh();
