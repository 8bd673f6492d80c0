// A server that lies about the ways to pay: what is not as the page knows it is
// not offered, and what it costs is never more than the payer was shown.
import { numberToHex } from 'viem';
import { chainOf } from '../fixtures/demo.ts';
import { arrive } from '../fixtures/crossing.ts';
import { tamper } from '../fixtures/page.ts';
import { expect, test } from '../fixtures/test.ts';
import { own, usdcFromArbitrum, usdtFromArbitrum, usdtOnBase } from '../pages/ways.ts';

const optionsUrl = /\/checkout\/[^/]+\/options\?/;
const thief = '0x6666000000000000000000000000000000000066';

/** What is changed of the way from Arbitrum with USDC. */
const unknown: { name: string; change: (o: any) => void }[] = [
  { name: 'another chain id', change: (o) => { o.chain.id = 42_161; } },
  { name: 'a chain nobody knows', change: (o) => { o.chain.id = 31_337; } },
  { name: 'the payment’s own chain', change: (o) => { o.chain.id = 900_008_453; } },
  { name: 'a chain by another name', change: (o) => { o.chain.name = 'Base (sandbox)'; } },
  { name: 'a chain of another network', change: (o) => { o.chain.network = 'base'; } },
  { name: 'coins of another name', change: (o) => { o.chain.native.symbol = 'POL'; } },
  { name: 'RPC endpoints that are no web addresses', change: (o) => { o.chain.rpcUrls = ['javascript:alert(1)']; } },
  { name: 'RPC endpoints that are no list', change: (o) => { o.chain.rpcUrls = 'http://127.0.0.1:1'; } },
  { name: 'an explorer that is a script', change: (o) => { o.chain.explorer = 'javascript:alert(1)'; } },
  { name: 'another token', change: (o) => { o.token.address = thief; } },
  { name: 'another token of the chain', change: (o) => { o.token.address = '0x5A4db000000000000000000000000000000005D7'; } },
  { name: 'other decimals', change: (o) => { o.token.decimals = 18; } },
  { name: 'another symbol', change: (o) => { o.token.symbol = 'DAI'; } },
  { name: 'another currency', change: (o) => { o.token.id = 'USDT-arbitrum-one'; } },
  { name: 'another way to approve', change: (o) => { o.token.resetAllowance = true; } },
  { name: 'another kind of way', change: (o) => { o.type = 'samechain'; } },
  { name: 'an exchange between chains', change: (o) => { o.type = 'samechain_conversion'; } },
  { name: 'an id that is none', change: (o) => { o.id = '../pay?option=x'; } },
  { name: 'a negative amount', change: (o) => { o.needed = '-1'; } },
  { name: 'an amount that is a number', change: (o) => { o.needed = 10_000_000; } },
  { name: 'a fee that is no amount', change: (o) => { o.fee = '0x1'; } },
  { name: 'markup for a symbol', change: (o) => { o.token.symbol = '<img src=x>'; } },
  { name: 'nothing at all', change: (o) => { for (const key of Object.keys(o)) delete o[key]; } },
];

test.describe('a way of which the server says that it is', () => {
  test('anything but what the page knows is not offered, the others are', async ({ context, page, demo }) => {
    let which = 0;
    const tampered = await tamper(page, optionsUrl, (body) => {
      unknown[which]!.change(body.options.find((o: { id: string }) => o.id === usdcFromArbitrum));
      return body;
    });
    const { checkout, ways, wallet } = await arrive(context, page, demo);
    for (; which < unknown.length; which++) {
      await test.step(unknown[which]!.name, async () => {
        if (which > 0) await page.reload();
        await ways.looked('2 other ways');
        expect(await ways.listed()).toEqual({ enough: [own, usdtOnBase, usdtFromArbitrum], short: [] });
        await checkout.expectGo('Approve 10.00 USDC');
      });
    }
    expect(tampered()).toBe(unknown.length);
    expect(wallet.asked('wallet_switchEthereumChain')).toBe(0);
    expect(wallet.asked('wallet_addEthereumChain')).toBe(0);
  });
});

test.describe('a network that is told otherwise', () => {
  for (const { name, change } of [
    { name: 'coins with other decimals', change: (o: any) => { o.chain.native.decimals = 8; } },
    { name: 'coins by another name', change: (o: any) => { o.chain.native.name = 'Bitcoin'; } },
  ]) {
    test(`is never given to the wallet: ${name}`, async ({ context, page, demo }) => {
      await tamper(page, optionsUrl, (body) => {
        change(body.options.find((o: { id: string }) => o.id === usdcFromArbitrum));
        return body;
      });
      const { checkout, ways, wallet } = await arrive(context, page, demo, { wallet: { knows: [chainOf(demo, 'base').chainId] } });
      await ways.looked();
      if (await ways.way(usdcFromArbitrum).count()) {
        await ways.open();
        await ways.way(usdcFromArbitrum).click();
        await expect(ways.id('ways-told-title').or(checkout.noticeTitle).filter({ visible: true })).toHaveText('This way to pay cannot be used');
      }
      await checkout.expectGo('Approve 10.00 USDC');
      expect(wallet.asked('wallet_addEthereumChain')).toBe(0);
    });
  }
});

test('a price that is shown too low has to be accepted at what it is', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  await tamper(page, optionsUrl, (body) => {
    body.options.find((o: { id: string }) => o.id === usdcFromArbitrum).needed = '1000000';
    return body;
  });
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.choose(usdcFromArbitrum);
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('The price has changed', 'warn');
  await expect(checkout.id('notice-text')).toContainText('It was 1.00 USDC and is now 10.');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});

test('a balance that is not there is found out before anything is signed', async ({ context, page, demo }) => {
  await tamper(page, optionsUrl, (body) => {
    Object.assign(body.options.find((o: { id: string }) => o.id === usdcFromArbitrum), { balance: '999000000', enough: true });
    return body;
  });
  const { checkout, ways, wallet } = await arrive(context, page, demo, { purses: { base: { native: 10n ** 16n, tokens: { USDC: 20_000_000n } } } });
  await ways.choose(usdcFromArbitrum);
  await checkout.id('switch-chain').click();
  await expect(checkout.id('funds-missing')).toContainText('is missing');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});

test('an answer that is none, or is endless, leaves the payment’s own way', async ({ context, page, demo }) => {
  const answers = [null, [], 'text', { options: 'none' }, { options: [null, 1, 'x', []] }];
  let which = 0;
  await tamper(page, optionsUrl, () => answers[which]);
  const { checkout, ways } = await arrive(context, page, demo);
  for (; which < answers.length; which++) {
    if (which > 0) await page.reload();
    await expect(ways.id('ways-count')).not.toHaveText('Looking for other ways…');
    await checkout.expectGo('Approve 10.00 USDC');
  }
});

test('a network is added as the payer was shown it', async ({ context, page, demo }) => {
  // Where a chain's nodes are is the server's to say; they are asked by the wallet alone, and must be web addresses.
  const arbitrum = chainOf(demo, 'arbitrum-one');
  const { checkout, ways, wallet } = await arrive(context, page, demo, { wallet: { knows: [chainOf(demo, 'base').chainId] } });
  await ways.choose(usdcFromArbitrum);
  await checkout.id('switch-chain').click();
  await checkout.expectGo(/^Approve /);
  const added = wallet.requests.filter((r) => r.method === 'wallet_addEthereumChain');
  expect(added.map((r) => (r.params as { chainId: string; chainName: string }[])[0])).toMatchObject([{ chainId: numberToHex(arbitrum.chainId), chainName: 'Arbitrum One (sandbox)' }]);
});
