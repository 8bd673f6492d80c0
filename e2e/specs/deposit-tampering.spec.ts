// A server, or a network on the way, that lies about where the money of a deposit is
// to go: the page refuses by itself, shows no address any more, asks no wallet, and
// the merchant's server is told.
import { type Page, expect as must } from '@playwright/test';
import { encodeFunctionData, erc20Abi, numberToHex } from 'viem';
import { chainOf } from '../fixtures/demo.ts';
import { type DepositOrder, depositOrder } from '../fixtures/deposit.ts';
import { expectAccessibleInBothSchemes, photograph, tamper } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Deposit } from '../pages/deposit.ts';

const thief = '0x00000000000000000000000000000000DeaDBeef';
const payUrl = /\/payment\/[^/]+\/pay\?/;
const quoteUrl = /\/payment\/[^/]+\/quote$/;

/** Everything that the page tells the server of. */
function telemetry(page: Page): { event: string; check?: string; detail?: string }[] {
  const told: { event: string; check?: string; detail?: string }[] = [];
  page.on('request', (r) => r.url().endsWith('/telemetry') && told.push(r.postDataJSON()));
  return told;
}

async function expectRefused(deposit: Deposit, told: { event: string; check?: string; detail?: string }[], check: string, field: string): Promise<void> {
  await deposit.expectState('unsafe');
  await expect(deposit.id('unsafe-check')).toContainText(field);
  await deposit.expectNoQuote();
  must(await deposit.id('address').textContent()).toBe('');
  await deposit.expectNothingToSign();
  await expect.poll(() => told.map((t) => [t.event, t.check]), { message: 'what the server is told' }).toContainEqual(['unsafe_refused', check]);
}

const other = (a: string): string => a.replace(/.$/, (c) => (c === '0' ? '1' : '0'));

const quoteLies: { name: string; lie: (q: any, body: any) => void; check: string; field: string }[] = [
  { name: 'another address', lie: (q) => { q.address = thief; }, check: 'page_address', field: 'address' },
  { name: 'another address wherever one is named', lie: (q) => { q.uri = q.uri.replaceAll(q.address, thief); q.address = thief; }, check: 'page_address', field: 'address' },
  { name: 'a link to another address', lie: (q) => { q.uri = q.uri.replaceAll(q.address, thief); }, check: 'page_address', field: 'wallet link' },
  { name: 'a link with another amount', lie: (q) => { q.uri = q.uri.replace(q.units, `${q.units}0`); }, check: 'page_address', field: 'wallet link' },
  { name: 'a link with something more', lie: (q) => { q.uri += '&gas=1'; }, check: 'page_address', field: 'wallet link' },
  { name: 'a code of something else', lie: (q) => { q.qr = q.qr.replace('h7v1h-7z', 'h6v1h-6z'); }, check: 'page_address', field: 'code' },
  { name: 'a code with a hidden part', lie: (q) => { q.qr = q.qr.replace('</svg>', '<path d="M0 0h9v9z"/></svg>'); }, check: 'page_address', field: 'code' },
  { name: 'ten times the amount', lie: (q) => { q.uri = q.uri.replace(q.units, `${q.units}0`); q.units += '0'; q.amount = String(Number(q.amount) * 10); }, check: 'page_address', field: 'amount' },
  { name: 'an amount in words that is not the one in units', lie: (q) => { q.amount = `1${q.amount}`; }, check: 'page_address', field: 'amount' },
  { name: 'a tenth of the price', lie: (q) => { q.rate = '0.10000000'; }, check: 'page_address', field: 'amount' },
  { name: 'another token', lie: (q) => { q.token = thief; q.uri = q.uri.replace(/ethereum:0x\w{40}/, `ethereum:${thief}`); }, check: 'page_registry', field: 'token' },
  { name: 'other decimals', lie: (q) => { q.decimals = 18; }, check: 'page_registry', field: 'decimals' },
  { name: 'another chain', lie: (q) => { q.uri = q.uri.replace(`@${q.chainId}`, '@1'); q.chainId = 1; }, check: 'page_registry', field: 'chain' },
  { name: 'another network’s name', lie: (q) => { q.chain = 'Ethereum'; }, check: 'page_registry', field: 'chain' },
];

for (const { name, lie, check, field } of quoteLies) {
  test(`a new price with ${name} is refused`, async ({ page, demo }) => {
    const made = await depositOrder(demo, 25);
    const told = telemetry(page);
    const tampered = await tamper(page, quoteUrl, (body) => {
      lie(body.quote, body);
      return body;
    });
    const deposit = new Deposit(page);
    await deposit.open(made.url);
    await deposit.choose('USDC-base');
    await expectRefused(deposit, told, check, field);
    expect(tampered()).toBe(1);
  });
}

interface Answer {
  transactions: any[];
  metadata: any;
  checks: any[];
  address: string;
  units: string;
}

const transfer = (to: string, units: bigint): string => encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to as `0x${string}`, units] });

const callLies: { name: string; asset?: string; lie: (a: Answer, o: DepositOrder) => void; check: string; field: string }[] = [
  { name: 'sends coins to somebody else', lie: (a) => { a.transactions[0].to = thief; }, check: 'page_calldata', field: 'payee' },
  { name: 'sends coins to somebody else and says so', lie: (a) => { a.transactions[0].to = thief; a.address = thief; }, check: 'page_address', field: 'address' },
  { name: 'sends more coins', lie: (a) => { a.transactions[0].value = numberToHex(BigInt(a.units) + 1n); }, check: 'page_calldata', field: 'value' },
  { name: 'sends more coins and says so', lie: (a) => { a.units = String(BigInt(a.units) * 2n); a.transactions[0].value = numberToHex(BigInt(a.units)); }, check: 'page_address', field: 'amount' },
  { name: 'calls something with the coins', lie: (a) => { a.transactions[0].data = '0xdeadbeef'; }, check: 'page_calldata', field: 'encoding' },
  { name: 'is for another chain', lie: (a) => { a.metadata.chainId = 1; }, check: 'page_registry', field: 'chain' },
  { name: 'adds a transaction', lie: (a) => { a.transactions.push({ ...a.transactions[0] }); }, check: 'page_calldata', field: 'number of transactions' },
  { name: 'sends nothing', lie: (a) => { a.transactions = []; }, check: 'page_calldata', field: 'number of transactions' },
  { name: 'is no list', lie: (a) => { a.transactions = null as unknown as any[]; }, check: 'page_calldata', field: 'transactions' },
  { name: 'sends tokens to somebody else', asset: 'USDC-base', lie: (a) => { a.transactions[0].data = transfer(thief, BigInt(a.units)); }, check: 'page_calldata', field: 'payee' },
  { name: 'sends more tokens', asset: 'USDC-base', lie: (a) => { a.transactions[0].data = transfer(a.address, BigInt(a.units) + 1n); }, check: 'page_calldata', field: 'amount' },
  { name: 'approves instead of sending', asset: 'USDC-base', lie: (a) => { a.transactions[0].data = encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [thief, BigInt(a.units)] }); }, check: 'page_calldata', field: 'selector' },
  { name: 'sends another token', asset: 'USDC-base', lie: (a) => { a.transactions[0].to = thief; }, check: 'page_registry', field: 'target' },
  { name: 'sends tokens with bytes behind', asset: 'USDC-base', lie: (a) => { a.transactions[0].data += '00'; }, check: 'page_calldata', field: 'encoding' },
  { name: 'sends coins with the tokens', asset: 'USDC-base', lie: (a) => { a.transactions[0].value = '0x1'; }, check: 'page_calldata', field: 'value' },
  { name: 'has failed a check of the server', lie: (a) => { a.checks = [{ name: 'address_matches', outcome: 'failed', detail: 'made from another key' }]; }, check: 'address_matches', field: 'made from another key' },
];

for (const { name, asset, lie, check, field } of callLies) {
  test(`a transfer that ${name} never reaches the wallet`, async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n, tokens: { USDC: dollars(100) } });
    const made = await depositOrder(demo, 25);
    const told = telemetry(page);
    const deposit = new Deposit(page);
    const tampered = await tamper(page, payUrl, (body) => {
      lie(body, made);
      return body;
    });
    await deposit.open(made.url);
    if (asset) await deposit.choose(asset);
    await expect(deposit.id('quote')).toBeVisible();
    await deposit.wallet().click();
    await expectRefused(deposit, told, check, field);
    expect(tampered()).toBe(1);
    expect(wallet.asked('eth_sendTransaction')).toBe(0);
    expect(wallet.address).toBe(address);
  });
}

test.describe('a page that shows something else than its data', () => {
  for (const { name, change, field } of [
    { name: 'another address', change: (html: string) => html.replace(/(id="address"[^>]*><span>)0x..../, '$10xdEaD'), field: 'displayed address' },
    { name: 'another amount', change: (html: string) => html.replace(/(id="send-number"[^>]*>)0\.00/, '$10.01'), field: 'displayed amount' },
    { name: 'another network', change: (html: string) => html.replace(/(id="send-network"[^>]*>)Base/, '$1Ethereum'), field: 'displayed network' },
    { name: 'a link to another address', change: (html: string) => html.replace(/(href="ethereum:)0x\w{40}/, `$1${thief}`), field: 'displayed wallet link' },
    { name: 'another code', change: (html: string) => html.replace(/h7v1h-7z/, 'h6v1h-6z'), field: 'displayed code' },
    { name: 'two codes', change: (html: string) => html.replace(/(<div id="qr"[^>]*>)/, '$1<svg viewBox="0 0 45 45"><path d="M0 0h45v45h-45z"/></svg>'), field: 'displayed code' },
    { name: 'a token of its own', change: (html: string) => html.replace(/("id":"USDC-base"[^}]*"token":")0x\w{40}/, `$1${thief}`), field: 'token' },
  ]) {
    test(`is refused: ${name}`, async ({ page, demo }) => {
      const made = await depositOrder(demo, 25);
      const told = telemetry(page);
      let changed = false;
      await page.route(/\/payment\/[^/]+$/, async (route) => {
        const response = await route.fetch();
        const before = await response.text();
        const body = change(before);
        changed = body !== before;
        await route.fulfill({ response, body });
      });
      await page.goto(made.url);
      await expectRefused(new Deposit(page), told, field === 'token' ? 'page_registry' : 'page_address', field);
      expect(changed).toBe(true);
    });
  }
});

test('an address that is another one after a reload is refused', async ({ page, demo }) => {
  const [made, second] = [await depositOrder(demo, 25), await depositOrder(demo, 25)];
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  const told = telemetry(page);
  // A whole page that agrees with itself, of another payment.
  await page.route(made.url, async (route) => {
    const response = await route.fetch({ url: second.url });
    await route.fulfill({ response, body: (await response.text()).replaceAll(second.id, made.id) });
  });
  await page.reload();
  await expectRefused(deposit, told, 'page_address', 'address');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'deposit-unsafe');
});

test('what the page shows when the wallet is asked is looked at once more', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await depositOrder(demo, 25);
  const told = telemetry(page);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  const { amount } = await deposit.expectQuote('ETH on Base (sandbox)');
  await deposit.connect(address);
  await deposit.expectGo(`Pay ${amount} ETH`);
  await page.evaluate((a) => (document.getElementById('address')!.textContent = a), other(made.address));
  await deposit.go.click();
  await expectRefused(deposit, told, 'page_address', 'displayed address');
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});
