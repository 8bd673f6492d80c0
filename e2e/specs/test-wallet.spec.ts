// The test wallet itself, on a blank page: the journeys rest on what is shown here.
import { numberToHex } from 'viem';
import { balanceOf, freshPayer, publicClient } from '../fixtures/chain.ts';
import { expect, test } from '../fixtures/test.ts';
import type { Page } from '@playwright/test';

const blank = '/test-wallet-blank';

test.beforeEach(async ({ page, demo, wallet }) => {
  expect(wallet.requests).toEqual([]);
  await page.route(demo.baseUrl + blank, (route) =>
    route.fulfill({ contentType: 'text/html', headers: { 'content-security-policy': "default-src 'none'" }, body: '<!doctype html><title>blank</title>' }));
  await page.goto(blank);
  await page.evaluate(() => {
    const w = window as any;
    w.found = [];
    w.events = [];
    window.addEventListener('eip6963:announceProvider', (e) => w.found.push((e as CustomEvent).detail));
    window.dispatchEvent(new Event('eip6963:requestProvider'));
    for (const name of ['accountsChanged', 'chainChanged']) w.found[0]?.provider.on(name, (v: unknown) => w.events.push([name, v]));
  });
});

/** What the page's script would see: the result, or the error's code. */
function ask(page: Page, method: string, params?: unknown): Promise<any> {
  return page.evaluate(
    ([m, p]) => (window as any).found[0].provider.request({ method: m, params: p }).then(
      (result: unknown) => ({ result }),
      (err: { code: number; message: string }) => ({ code: err.code, message: err.message }),
    ),
    [method, params] as const,
  );
}

const events = (page: Page) => page.evaluate(() => (window as any).events);

test('is announced by EIP-6963 and not as window.ethereum', async ({ page, wallet }) => {
  const seen = await page.evaluate(() => ({
    infos: (window as any).found.map((f: any) => f.info), frozen: Object.isFrozen((window as any).found[0]), legacy: 'ethereum' in window,
  }));
  expect(seen).toEqual({ infos: [wallet.info], frozen: true, legacy: false });
});

test.describe('without EIP-6963', () => {
  test.use({ walletOptions: { announce: false, legacy: true } });
  test('is only window.ethereum', async ({ page, demo }) => {
    expect(await page.evaluate(() => (window as any).found.length)).toBe(0);
    const chainId = await page.evaluate(() => (window as any).ethereum.request({ method: 'eth_chainId' }));
    expect(chainId).toBe(numberToHex(demo.chains[0]!.chainId));
  });
});

test('shows no account before the payer lets the page in', async ({ page, demo, wallet }) => {
  const me = demo.payer.address.toLowerCase();
  expect(await ask(page, 'eth_accounts')).toEqual({ result: [] });
  wallet.rejectNext('eth_requestAccounts');
  expect(await ask(page, 'eth_requestAccounts')).toMatchObject({ code: 4001 });
  expect(await ask(page, 'eth_requestAccounts')).toEqual({ result: [me] });
  expect(await ask(page, 'eth_accounts')).toEqual({ result: [me] });
  await wallet.disconnect();
  expect(await ask(page, 'eth_accounts')).toEqual({ result: [] });
  expect(await events(page)).toEqual([['accountsChanged', [me]], ['accountsChanged', []]]);
  expect(wallet.asked('eth_requestAccounts')).toBe(2);
});

test('sends a real transaction', async ({ page, demo, wallet }) => {
  const chain = demo.chains[0]!;
  const to = '0x000000000000000000000000000000000000bEEF';
  const before = await balanceOf(chain, to);
  const tx = { from: demo.payer.address, to, value: numberToHex(12345n) };
  expect(await ask(page, 'eth_sendTransaction', [tx])).toMatchObject({ code: 4100 });
  await ask(page, 'eth_requestAccounts');
  const { result: hash } = await ask(page, 'eth_sendTransaction', [tx]);
  const receipt = await publicClient(chain).waitForTransactionReceipt({ hash });
  expect(receipt.status).toBe('success');
  expect(await balanceOf(chain, to)).toBe(before + 12345n);
  expect(wallet.sent).toEqual([{ hash, chainId: chain.chainId, from: demo.payer.address, nonce: expect.any(Number), to, value: 12345n, data: '0x', dropped: false }]);
  expect(await ask(page, 'eth_getTransactionReceipt', [hash])).toMatchObject({ result: { status: '0x1' } });
});

test('gives the hash of a dropped transaction that no node knows', async ({ page, demo, wallet }) => {
  await ask(page, 'eth_requestAccounts');
  wallet.dropNext();
  const tx = { from: demo.payer.address, to: demo.payer.address, value: '0x1' };
  const { result: hash } = await ask(page, 'eth_sendTransaction', [tx]);
  expect(hash).toMatch(/^0x[0-9a-f]{64}$/);
  expect(await ask(page, 'eth_getTransactionByHash', [hash])).toEqual({ result: null });
  expect(wallet.sent.at(-1)).toMatchObject({ hash, dropped: true });
});

test('keeps a question open until the payer answers it', async ({ page, demo, wallet }) => {
  wallet.hold();
  const first = ask(page, 'eth_requestAccounts');
  const question = await wallet.question('eth_requestAccounts');
  expect(await ask(page, 'eth_requestAccounts')).toMatchObject({ code: -32002 });
  question.approve();
  expect(await first).toEqual({ result: [demo.payer.address.toLowerCase()] });

  const second = ask(page, 'eth_sendTransaction', [{ from: demo.payer.address, to: demo.payer.address }]);
  (await wallet.question()).reject();
  expect(await second).toMatchObject({ code: 4001 });
  expect(wallet.sent).toEqual([]);
});

test.describe('on a chain of its own', () => {
  test.use({ walletOptions: { startOn: 1, knows: [1] } });
  test('must be taught the right chain, and reads nothing before', async ({ page, demo, wallet }) => {
    const chain = demo.chains[0]!;
    const chainId = numberToHex(chain.chainId);
    const toAdd = { chainId, chainName: 'Sandbox', rpcUrls: [chain.rpcUrl], nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 } };
    expect(await ask(page, 'eth_chainId')).toEqual({ result: '0x1' });
    expect(await ask(page, 'eth_blockNumber')).toMatchObject({ code: 4901 });
    expect(await ask(page, 'wallet_switchEthereumChain', [{ chainId }])).toMatchObject({ code: 4902 });
    expect(await ask(page, 'wallet_addEthereumChain', [{ ...toAdd, rpcUrls: [] }])).toMatchObject({ code: -32602 });
    wallet.adding = 'unsupported';
    expect(await ask(page, 'wallet_addEthereumChain', [toAdd])).toMatchObject({ code: 4200 });
    wallet.adding = 'reject';
    expect(await ask(page, 'wallet_addEthereumChain', [toAdd])).toMatchObject({ code: 4001 });
    wallet.adding = 'allow';
    expect(await ask(page, 'wallet_addEthereumChain', [toAdd])).toEqual({ result: null });
    expect(await ask(page, 'eth_chainId')).toEqual({ result: chainId });
    expect(await ask(page, 'eth_blockNumber')).toEqual({ result: expect.stringMatching(/^0x/) });
    expect(await events(page)).toEqual([['chainChanged', chainId]]);
  });
});

test('can refuse to switch, or say yes and stay', async ({ page, demo, wallet }) => {
  const [here, there] = [demo.chains[0]!, demo.chains[1]!];
  const wanted = [{ chainId: numberToHex(there.chainId) }];
  wallet.switching = 'reject';
  expect(await ask(page, 'wallet_switchEthereumChain', wanted)).toMatchObject({ code: 4001 });
  wallet.switching = 'ignore';
  expect(await ask(page, 'wallet_switchEthereumChain', wanted)).toEqual({ result: null });
  expect(wallet.chainId).toBe(here.chainId);
  wallet.switching = 'allow';
  expect(await ask(page, 'wallet_switchEthereumChain', wanted)).toEqual({ result: null });
  expect(wallet.chainId).toBe(there.chainId);
  await ask(page, 'eth_requestAccounts');
  const tx = { from: demo.payer.address, to: demo.payer.address, chainId: numberToHex(here.chainId) };
  expect(await ask(page, 'eth_sendTransaction', [tx])).toMatchObject({ code: -32602 });
});

test('a fresh payer holds just what it was given', async ({ demo }) => {
  const chain = demo.chains[0]!;
  const poor = await freshPayer(demo, chain, { native: 1_000_000n, tokens: { USDC: 250n } });
  expect(await balanceOf(chain, poor.address)).toBe(1_000_000n);
  expect(await balanceOf(chain, poor.address, 'USDC')).toBe(250n);
});

test('asks for nothing that the provider does not know', async ({ page }) => {
  expect(await ask(page, 'eth_sign', ['0x', '0x'])).toMatchObject({ code: 4200 });
});
