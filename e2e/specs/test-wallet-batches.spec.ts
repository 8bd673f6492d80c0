// How the test wallet makes several calls at once, on a blank page: the journeys rest on what is shown here.
import type { Page } from '@playwright/test';
import { type Address, type Hex, encodeFunctionData, erc20Abi, numberToHex } from 'viem';
import { balanceOf, publicClient, tokenOf } from '../fixtures/chain.ts';
import type { Demo, DemoChain } from '../fixtures/demo.ts';
import { freshAddress } from '../fixtures/order.ts';
import { type BatchingPayer, batchingPayer, dollars, ether } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { errors } from '../fixtures/wallet.ts';

async function open(page: Page, demo: Demo): Promise<void> {
  const blank = `${demo.baseUrl}/test-wallet-blank`;
  await page.route(blank, (route) => route.fulfill({ contentType: 'text/html', headers: { 'content-security-policy': "default-src 'none'" }, body: '<!doctype html><title>blank</title>' }));
  await page.goto(blank);
  await page.evaluate(() => {
    window.addEventListener('eip6963:announceProvider', (e) => ((window as any).found = (e as CustomEvent).detail.provider));
    window.dispatchEvent(new Event('eip6963:requestProvider'));
  });
  await ask(page, 'eth_requestAccounts');
}

function ask(page: Page, method: string, params?: unknown): Promise<any> {
  return page.evaluate(
    ([m, p]) => (window as any).found.request({ method: m, params: p }).then(
      (result: unknown) => ({ result }),
      (err: { code: number; message: string }) => ({ code: err.code, message: err.message }),
    ),
    [method, params] as const,
  );
}

const transfer = (chain: DemoChain, to: Address, amount: bigint) => ({
  to: tokenOf(chain, 'USDC'), value: '0x0' as Hex, data: encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] }),
});

/** Two transfers to two new accounts in one batch. */
async function two(page: Page, chain: DemoChain, payer: BatchingPayer) {
  const receivers = [freshAddress(), freshAddress()] as const;
  const request = {
    version: '2.0.0', chainId: numberToHex(chain.chainId), from: payer.address, atomicRequired: true,
    calls: [transfer(chain, receivers[0], dollars(1)), transfer(chain, receivers[1], dollars(2))],
  };
  const { result } = await ask(page, 'wallet_sendCalls', [request]);
  await payer.batching.settled();
  expect(payer.batching.batches.at(-1)?.failure).toBeUndefined();
  const got = await Promise.all(receivers.map((r) => balanceOf(chain, r, 'USDC')));
  const status = (await ask(page, 'wallet_getCallsStatus', [result.id ?? result])).result;
  return { id: result.id as string, got, status, receivers };
}

for (const account of ['delegated', 'contract'] as const) {
  test.describe(account === 'delegated' ? 'an account that delegates' : 'a smart wallet', () => {
    let payer: BatchingPayer;
    let chain: DemoChain;

    test.beforeEach(async ({ page, context, demo }) => {
      chain = demo.chains[0]!;
      payer = await batchingPayer(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(10) } }, { account });
      await open(page, demo);
    });

    test('makes all calls at once and pays for them', async ({ page }) => {
      const native = await balanceOf(chain, payer.address);
      const says = async () => (await ask(page, 'wallet_getCapabilities', [payer.address, [numberToHex(chain.chainId)]])).result;
      const before = account === 'delegated' ? 'ready' : 'supported';
      expect(await says()).toEqual({ [numberToHex(chain.chainId)]: { atomic: { status: before }, paymasterService: { supported: true } } });
      const { got, status, id } = await two(page, chain, payer);
      expect(got).toEqual([dollars(1), dollars(2)]);
      expect(status).toMatchObject({ version: '2.0.0', id, chainId: numberToHex(chain.chainId), status: 200, atomic: true, receipts: [{ status: '0x1' }] });
      expect(await balanceOf(chain, payer.address)).toBeLessThan(native);
      expect(await says()).toMatchObject({ [numberToHex(chain.chainId)]: { atomic: { status: 'supported' } } });
      // Again, with the delegation there.
      expect((await two(page, chain, payer)).got).toEqual([dollars(1), dollars(2)]);
    });

    test('fails, stops in the middle, drops and forgets on command', async ({ page }) => {
      payer.batching.outcome = 'reverted';
      const reverted = await two(page, chain, payer);
      expect([reverted.status.status, reverted.got]).toEqual([500, [0n, 0n]]);
      expect(reverted.status.receipts).toHaveLength(1);
      payer.batching.outcome = 'partial';
      const partial = await two(page, chain, payer);
      expect([partial.status.status, partial.status.atomic, partial.got]).toEqual([600, false, [dollars(1), 0n]]);
      payer.batching.outcome = 'dropped';
      expect((await two(page, chain, payer)).status).toMatchObject({ status: 400 });
      payer.batching.outcome = 'silent';
      const silent = await two(page, chain, payer);
      expect([silent.status.status, silent.got]).toEqual([100, [0n, 0n]]);
      payer.batching.outcome = 'unspoken';
      const unspoken = await two(page, chain, payer);
      expect([unspoken.status, unspoken.got]).toEqual([undefined, [dollars(1), dollars(2)]]);
      expect(await ask(page, 'wallet_getCallsStatus', [unspoken.id])).toMatchObject({ code: 5730 });
    });

    test('sends what was held when it is let', async ({ page }) => {
      payer.batching.hold();
      const receiver = freshAddress();
      const request = { version: '2.0.0', chainId: numberToHex(chain.chainId), from: payer.address, atomicRequired: true, calls: [transfer(chain, receiver, 5n)] };
      const { result } = await ask(page, 'wallet_sendCalls', [request]);
      expect((await ask(page, 'wallet_getCallsStatus', [result.id])).result.status).toBe(100);
      expect(await balanceOf(chain, receiver, 'USDC')).toBe(0n);
      payer.batching.release();
      await payer.batching.settled();
      expect((await ask(page, 'wallet_getCallsStatus', [result.id])).result.status).toBe(200);
      expect(await balanceOf(chain, receiver, 'USDC')).toBe(5n);
    });

    test('refuses what EIP-5792 has it refuse', async ({ page }) => {
      const good = { version: '2.0.0', chainId: numberToHex(chain.chainId), from: payer.address, atomicRequired: true, calls: [transfer(chain, freshAddress(), 5n)] };
      for (const [code, request] of [
        [5710, { ...good, chainId: '0x1' }],
        [5700, { ...good, capabilities: { teleport: {} } }],
        [4100, { ...good, from: freshAddress() }],
        [-32602, { ...good, calls: [] }],
        // Nobody answers there.
        [-32603, { ...good, capabilities: { paymasterService: { url: `${new URL(page.url()).origin}/nowhere` } } }],
      ] as const) {
        expect(await ask(page, 'wallet_sendCalls', [request]), JSON.stringify(request)).toMatchObject({ code });
      }
      payer.wallet.failNext(errors.userRejected, 'wallet_sendCalls');
      expect(await ask(page, 'wallet_sendCalls', [good])).toMatchObject({ code: 4001 });
      expect(payer.batching.batches).toEqual([]);
    });
  });
}

test('a smart wallet sends single transactions too', async ({ page, context, demo }) => {
  const chain = demo.chains[0]!;
  const payer = await batchingPayer(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(10) } }, { account: 'contract' });
  await open(page, demo);
  expect((await ask(page, 'eth_accounts')).result).toEqual([payer.address.toLowerCase()]);
  const receiver = freshAddress();
  const { result: hash } = await ask(page, 'eth_sendTransaction', [{ from: payer.address, ...transfer(chain, receiver, 7n) }]);
  expect((await publicClient(chain).getTransactionReceipt({ hash })).status).toBe('success');
  expect(await balanceOf(chain, receiver, 'USDC')).toBe(7n);
});

test('a wallet may reject the upgrade, and may speak as EIP-5792 was first', async ({ page, context, demo }) => {
  const chain = demo.chains[0]!;
  const payer = await batchingPayer(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(10) } }, { account: 'delegated', first: true, paymaster: false });
  await open(page, demo);
  expect((await ask(page, 'wallet_getCapabilities', [payer.address])).result[numberToHex(chain.chainId)]).toEqual({ atomicBatch: { supported: true } });
  payer.batching.upgrading = 'reject';
  const request = { version: '1.0', chainId: numberToHex(chain.chainId), from: payer.address, calls: [transfer(chain, freshAddress(), 5n)] };
  expect(await ask(page, 'wallet_sendCalls', [request])).toMatchObject({ code: 5750 });
  payer.batching.upgrading = 'allow';
  const { result } = await ask(page, 'wallet_sendCalls', [request]);
  expect(typeof result).toBe('string');
  await payer.batching.settled();
  expect((await ask(page, 'wallet_getCallsStatus', [result])).result).toMatchObject({ status: 'CONFIRMED', receipts: [{ status: '0x1' }] });
});
