// What comes from outside the script: the data block, the server's answers,
// wallets and storage. Nothing malformed gets in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api, ApiError, readChecks, readStatus } from '../src/api.ts';
import { DataError, readData, readLocked, readPayment, webUrl } from '../src/data.ts';
import { WalletError, ask, faultOf, readAccount, readChainId, readQuantity } from '../src/rpc.ts';
import { Store, readSent } from '../src/store.ts';
import { Wallets, cleanName, readAnnouncement } from '../src/wallets.ts';

const block = {
  token: '01KADEMO0000000000000000', state: 'open', oddity: 'none', payable: true, sandbox: true,
  now: '2026-01-02T12:00:00Z', expiresAt: '2026-01-02T12:15:00.123456789+00:00',
  chain: { id: 900008453, network: 'base', name: 'Base (sandbox)', rpcUrls: ['http://127.0.0.1:8402/sandbox/rpc/base'], explorer: '', native: { name: 'Sandbox Ether', symbol: 'ETH', decimals: 18 } },
  assets: [{ id: 'USDC-base', symbol: 'USDC', decimals: 6, address: '0x5A4dB000000000000000000000000000000005Dc', native: false, resetAllowance: false, contractFee: '0' }],
  items: [{ index: 0, asset: 0, payee: '0xf17f52151EbEF6C7334FAD080c5704D77216b732', payeeHash: '', amount: '10000000', fee: '0', reference: '0x5e954907253f2931' }],
  feePayee: '0x0000000000000000000000000000000000000000', batch: false, restricted: false,
  option: 'evmref:base:USDC-base', confirmations: 3, ways: '/static/ways-0123456789ab.js', route: '', safe: '/static/safe-0123456789ab.js',
  gasless: '/static/gasless-0123456789ab.js', kits: { 'light-account-2.0.0': '/static/kit-light-0123456789ab.js' },
};

const read = (value: unknown) => readPayment(readData(JSON.stringify(value)));

test('a data block as the server writes it', () => {
  const p = read(block);
  assert.equal(p.items[0].amount, 10_000_000n);
  assert.equal(p.expiresAt - p.now, 900_123);
  assert.deepEqual(p.chain.rpcUrls, block.chain.rpcUrls);
  assert.equal(read({ ...block, state: 'paid', payable: false, items: [{ ...block.items[0], amount: '0' }], option: '' }).items[0].amount, 0n);
});

test('every field of the data block is checked', () => {
  const bad: Record<string, unknown[]> = {
    token: ['', 'a/b', '../x', 'x'.repeat(100), 7, null],
    state: ['pending', 'constructor', '', null, 1],
    oddity: ['odd', null],
    payable: ['true', 1, null],
    sandbox: ['false', null],
    now: ['yesterday', '2026-13-45T00:00:00Z', 0, '2026-01-02', null],
    expiresAt: ['', null],
    'chain.id': [0, -1, 1.5, '1', 2 ** 60, null],
    'chain.network': ['', 'a b', null],
    'chain.name': ['', 'x\u202ey', '<b>', 'x'.repeat(70), null],
    'chain.rpcUrls': [null, 'https://a', ['javascript:alert(1)'], [7], Array(11).fill('https://a')],
    'chain.explorer': ['javascript:alert(1)', 'ftp://a', null],
    'chain.native': [null, [], 'ETH'],
    'chain.native.decimals': [-1, 37, '18'],
    'assets.0.symbol': ['', 'US DC', '<USDC>', 'U\u0000', 'x'.repeat(21)],
    'assets.0.decimals': [-1, 1.5, '6', 255],
    'assets.0.address': ['0x', '0x12', 'f17f52151EbEF6C7334FAD080c5704D77216b732', null],
    'assets.0.native': ['false'],
    'assets.0.resetAllowance': [0],
    assets: [null, [], {}, Array(21).fill(block.assets[0])],
    items: [null, [], {}, 'x', Array(201).fill(block.items[0]), Array(2).fill(block.items[0])],
    'items.0.index': [-1, 200, '0', null],
    'items.0.asset': [-1, 1, '0', null],
    'items.0.payee': ['0xf17f…b732', '', '0xf17f52151EbEF6C7334FAD080c5704D77216b73', 'alice.eth', null],
    'items.0.payeeHash': ['0x', `0x${'g'.repeat(64)}`, null],
    'items.0.amount': [10_000_000, '-1', '1.5', '1e7', '0x10', '', null, '9'.repeat(80)],
    'items.0.fee': ['-1', 0],
    ways: ['https://evil.example/x.js', '//evil.example/x.js', '/static/../x-0123456789ab.js', '/static/ways.js', 'data:text/javascript,1', null],
    route: ['/static/route-0123456789AB.js', 'blob:x', 1],
    feePayee: ['0x0', null],
    batch: ['true', null],
    restricted: [0, null],
    'assets.0.contractFee': ['-1', 0, null],
    'items.0.reference': ['0x5e95', '5e954907253f2931', null],
    option: ['a b', '/x', null],
    confirmations: [-1, '3', null],
  };
  for (const [path, values] of Object.entries(bad)) {
    for (const value of [...values, undefined]) {
      const copy = structuredClone(block) as Record<string, unknown>;
      const keys = path.split('.');
      const last = keys.pop() ?? '';
      const target = keys.reduce<Record<string, unknown>>((o, k) => o[k] as Record<string, unknown>, copy);
      if (value === undefined) delete target[last];
      else target[last] = value;
      assert.throws(() => read(copy), (err) => err instanceof DataError && err.field === path, `${path} = ${String(value)}`);
    }
  }
  for (const text of ['', '{', 'null', '[]', '"x"', '7']) assert.throws(() => readData(text), DataError);
});

test('several payments', () => {
  const items = [block.items[0], { ...block.items[0], index: 1 }];
  assert.equal(read({ ...block, items, batch: true }).items.length, 2);
  // Whatever was paid how does not matter once it is.
  assert.equal(read({ ...block, state: 'paid', payable: false, items }).items.length, 2);
  assert.throws(() => read({ ...block, batch: true }), (err) => err instanceof DataError && err.field === 'items');
  const hidden = read({ ...block, items: [{ ...block.items[0], payee: '0xf17f…b732', payeeHash: `0x${'a'.repeat(64)}` }] });
  assert.equal(hidden.items[0].payee, '0xf17f…b732');
  assert.throws(() => read({ ...block, items: [{ ...block.items[0], payeeHash: `0x${'a'.repeat(64)}` }] }), (err) => err instanceof DataError && err.field === 'items.0.payee');
});

test('a locked page says a token and a state, and nothing else is read', () => {
  assert.deepEqual(readLocked(readData('{"token":"01KADEMO","state":"open","locked":true,"payee":"x"}')), { token: '01KADEMO', state: 'open' });
  assert.throws(() => readLocked(readData(JSON.stringify(block))), DataError);
  assert.throws(() => readLocked(readData(JSON.stringify({ ...block, locked: 'true' }))), DataError);
  assert.throws(() => readLocked(readData('{"token":"a/b","state":"open","locked":true}')), DataError);
});

test('links lead to the web only', () => {
  for (const url of ['https://basescan.org/tx/0x1', 'http://127.0.0.1:8402/']) assert.equal(webUrl(url), url);
  for (const url of ['javascript:alert(1)', 'data:text/html,x', ' https://a', 'https://a b', '//a', '/a', '', null, 'https://a"b', 'HTTPS\n://a']) assert.equal(webUrl(url), '');
});

test('numbers as wallets write them', () => {
  for (const v of ['0x35a51a25', '0X35A51A25', 900012581, 900012581n, '900012581', ' 0x35a51a25 ', 'eip155:900012581', { chainId: '0x35a51a25' }, { chainId: 900012581 }]) {
    assert.equal(readChainId(v), 0x35a51a25, String(v));
  }
  for (const v of ['', '0x', 'base', 0, '0x0', -1, 1.5, NaN, Infinity, null, undefined, [], {}, '0x1g', '1.0', 2n ** 60n, '0x' + 'f'.repeat(64), 'x'.repeat(500)]) {
    assert.equal(readChainId(v), null, String(v));
  }
  assert.equal(readQuantity('0x0'), 0n);
  assert.equal(readQuantity('0x' + 'f'.repeat(64)), (1n << 256n) - 1n);
  assert.equal(readQuantity(-1), null);
});

test('accounts', () => {
  const checksummed = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
  for (const v of [[checksummed], [checksummed.toLowerCase()], checksummed.toLowerCase(), [checksummed, '0x1']]) assert.equal(readAccount(v), checksummed);
  for (const v of [[], null, undefined, ['0x1'], [null], {}, '', ['eip155:1:0x']]) assert.equal(readAccount(v), null);
});

test('what a wallet’s error means', () => {
  const cases: [unknown, string][] = [
    [{ code: 4001 }, 'rejected'],
    [{ code: '4001' }, 'rejected'],
    [{ code: 'ACTION_REJECTED' }, 'rejected'],
    [{ info: { error: { code: 4001 } } }, 'rejected'],
    [{ cause: { cause: { code: 4001 } } }, 'rejected'],
    [{ error: 'User rejected the request' }, 'rejected'],
    [new Error('User denied transaction signature'), 'rejected'],
    [new Error('Request was cancelled'), 'rejected'],
    ['User canceled', 'rejected'],
    [{ code: -32002, message: 'Request of type wallet_requestPermissions already pending' }, 'busy'],
    [{ code: 4902 }, 'unknown_chain'],
    [{ code: -32603, data: { originalError: { code: 4902 } } }, 'unknown_chain'],
    [{ code: -32603, message: 'Unrecognized chain ID "0x1". Try adding the chain using wallet_addEthereumChain first.' }, 'unknown_chain'],
    [{ code: 4200 }, 'unsupported'],
    [{ code: -32601 }, 'unsupported'],
    [{ code: -32603, message: 'Internal error' }, 'failed'],
    [new Error('insufficient funds'), 'failed'],
    [null, 'failed'],
    [undefined, 'failed'],
    [new WalletError('silent'), 'silent'],
  ];
  for (const [err, want] of cases) assert.equal(faultOf(err), want, JSON.stringify(err));
  const loop: Record<string, unknown> = { code: 1 };
  loop['cause'] = loop;
  assert.equal(faultOf(loop), 'failed');
});

test('a hung wallet is given up on', async () => {
  const hung = { request: () => new Promise(() => undefined) };
  await assert.rejects(ask(hung, 'eth_accounts', [], 5), (err) => err instanceof WalletError && err.fault === 'silent');
  await assert.rejects(ask({ request: () => { throw { code: 4001 }; } }, 'x', [], 1_000), (err) => err instanceof WalletError && err.fault === 'rejected');
});

const provider = { request: async () => null };
const info = { uuid: 'u', rdns: 'io.wallet', name: 'Wallet', icon: 'data:image/png;base64,AA==' };

test('announcements', () => {
  assert.deepEqual(readAnnouncement({ info, provider }), { id: 'io.wallet', name: 'Wallet', icon: info.icon, provider });
  assert.equal(readAnnouncement({ info: { ...info, icon: 'https://evil.example/x.png' }, provider })?.icon, '');
  assert.equal(readAnnouncement({ info: { ...info, icon: 'data:text/html,<script>' }, provider })?.icon, '');
  assert.equal(readAnnouncement({ info: { ...info, icon: `data:image/png,${'A'.repeat(300_000)}` }, provider })?.icon, '');
  for (const detail of [null, {}, { info }, { provider }, { info, provider: {} }, { info: { ...info, rdns: '' }, provider }, { info: { ...info, rdns: 'a b' }, provider }, { info: { ...info, name: ' \u202e ' }, provider }, { info: { ...info, name: 7 }, provider }]) {
    assert.equal(readAnnouncement(detail), null);
  }
  assert.equal(cleanName('  Meta\u202eMask\n <b>x</b>  '), 'MetaMask <b>x</b>');
  assert.equal(cleanName('a\u0000b\u200bc  d'), 'abc d');
  assert.equal(cleanName('x'.repeat(100)).length, 40);
});

test('wallets are listed once, and window.ethereum only if nobody announces', () => {
  const target = Object.assign(new EventTarget(), { ethereum: provider }) as unknown as Window & { ethereum: unknown };
  const lists: string[][] = [];
  const wallets = new Wallets(target, (l) => lists.push(l.map((w) => w.id)));
  const announce = (detail: unknown): void => void target.dispatchEvent(Object.assign(new Event('eip6963:announceProvider'), { detail }));
  target.addEventListener('eip6963:requestProvider', () => lists.push(['asked']));
  wallets.start();
  wallets.fallback();
  assert.deepEqual(lists, [['asked'], ['injected']]);
  announce({ info, provider });
  announce({ info, provider });
  announce({ info: { ...info, uuid: 'other', rdns: 'IO.Wallet' }, provider });
  announce({ info: { ...info, rdns: 'io.second' }, provider });
  announce('nonsense');
  wallets.fallback();
  assert.deepEqual(lists.slice(2), [['io.wallet'], ['io.wallet', 'io.second']]);
  assert.equal(wallets.get('injected'), undefined);
});

test('the server’s answers', async () => {
  const status = { state: 'seen', oddity: 'none', payable: false, received: '10', missing: '0', excess: '0', confirmations: 2, required: 3, txHash: `0x${'a'.repeat(64)}`, explorerUrl: 'javascript:x', payer: 'x', announcedTx: '', reorged: false };
  assert.equal(readStatus(status)?.confirmations, 2);
  assert.deepEqual(readStatus({ ...status, requests: [{ state: 'paid', missing: '0' }, { state: 'open', missing: '7' }] })?.requests, [{ state: 'paid', missing: 0n }, { state: 'open', missing: 7n }]);
  for (const requests of [undefined, null, {}, [{ state: 'odd', missing: '0' }], [{ state: 'open', missing: 7 }], [null], Array(201).fill({ state: 'open', missing: '1' })]) {
    assert.deepEqual(readStatus({ ...status, requests })?.requests, []);
  }
  // All that a hidden payment's status says.
  assert.equal(readStatus({ state: 'open' })?.state, 'open');
  assert.equal(readStatus(status)?.explorerUrl, '');
  for (const bad of [null, [], {}, { ...status, state: 'odd' }]) assert.equal(readStatus(bad), null);
  assert.equal(readStatus({ ...status, confirmations: -1, missing: 'x', txHash: '<b>' })?.txHash, '');

  const checks = readChecks([{ name: 'code_pinned', outcome: 'passed', detail: 'ok' }, { name: 'x"]', outcome: 'passed' }, { name: 'simulation_matches', outcome: 'skipped' }, null]);
  assert.deepEqual(checks.map((c) => `${c.name} ${c.outcome}`), ['code_pinned passed', 'simulation_matches pending']);

  const calls: [string, RequestInit][] = [];
  const answering = (status: number, body: string): Api =>
    new Api('tok/en', (async (url: string, init: RequestInit) => {
      calls.push([url, init]);
      return new Response(status === 204 ? null : body, { status });
    }) as unknown as typeof fetch);
  const reply = await answering(200, JSON.stringify({ transactions: [1], metadata: { chainId: 5, assets: [{ currency: 'USDC-base', balanceUnits: '7' }, null, 'x'], hasEnoughBalance: false } })).pay('0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', 'evmref:base:USDC-base', false);
  assert.equal(calls[0]?.[0], '/checkout/tok%2Fen/pay?wallet=0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359&option=evmref%3Abase%3AUSDC-base');
  assert.equal(calls[0]?.[1].credentials, 'same-origin');
  const ofSafe = await answering(200, '{"safe":{"nonce":7}}').pay('0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', 'a', true);
  assert.equal(calls[1]?.[0], '/checkout/tok%2Fen/pay?wallet=0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359&isSafe=true&option=a');
  assert.deepEqual([ofSafe.safe, reply.safe], [{ nonce: 7 }, null]);
  await answering(200, '{}').options('0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', true);
  assert.equal(calls[2]?.[0], '/checkout/tok%2Fen/options?wallet=0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359&isSafe=true');
  assert.deepEqual([reply.chainId, reply.funds.assets.get('USDC-base')?.balance, reply.funds.enoughBalance, reply.funds.native], [5, 7n, false, null]);
  const fails = async (status: number, body: string): Promise<ApiError> => {
    try {
      await answering(status, body).status();
    } catch (err) {
      if (err instanceof ApiError) return err;
    }
    return assert.fail('no ApiError');
  };
  const unsafe = await fails(403, '{"statusCode":403,"message":"no","error":"Forbidden","code":"unsafe","field":"code_pinned"}');
  assert.deepEqual([unsafe.status, unsafe.code, unsafe.field, unsafe.said], [403, 'unsafe', 'code_pinned', 'no']);
  assert.equal((await fails(502, '<html>')).code, 'malformed');
  assert.equal((await fails(500, '{}')).status, 500);
  assert.equal((await fails(200, '{}')).code, 'malformed');
  const admitted = async (body: string) => answering(200, body).access('0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359');
  assert.deepEqual(await admitted('{"status":"approved","reasonCode":""}'), { verdict: 'approved', reason: '' });
  assert.deepEqual(await admitted('{"status":"rejected","reasonCode":"wallet_not_allowed"}'), { verdict: 'rejected', reason: 'wallet_not_allowed' });
  for (const body of ['{}', 'null', '[]', '{"status":"fine"}', '{"status":true}']) assert.equal((await admitted(body)).verdict, 'error', body);
  await answering(204, '').intent({ txHash: `0x${'a'.repeat(64)}`, wallet: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', chain: 0 }).catch(() => assert.fail('no content is an answer'));
});

test('what was sent, in storage', () => {
  const sent = { kind: 'pay', asset: 1, hash: `0x${'a'.repeat(64)}`, wallet: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', to: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', data: '0x', at: 1, mined: false, chain: 42161 };
  assert.deepEqual(readSent(sent), sent);
  for (const bad of [null, 7, {}, { ...sent, kind: 'steal' }, { ...sent, hash: '0x1' }, { ...sent, at: 'x' }, { ...sent, data: 'zz' }, { ...sent, to: null }]) assert.equal(readSent(bad), null);
  const blocked = new Store(() => { throw new Error('blocked'); }, 't');
  blocked.sent = readSent(sent);
  blocked.asking = true;
  assert.equal(blocked.sent, null);
  assert.equal(blocked.asking, false);
});
