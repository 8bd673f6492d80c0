// What a payer's phone has to load before anything can be paid.
import { order } from '../fixtures/order.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

test('the page is small, comes in few requests, and only from here', async ({ context, page, demo }) => {
  const made = await order(demo, '10.00');
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  const requests = new Map<string, { url: string; bytes: number }>();
  devtools.on('Network.requestWillBeSent', (e) => requests.set(e.requestId, { url: e.request.url, bytes: 0 }));
  devtools.on('Network.loadingFinished', (e) => {
    const r = requests.get(e.requestId);
    if (r) r.bytes = e.encodedDataLength;
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.wallet('dev.quittance.sandbox')).toBeVisible();
  await expect.poll(() => [...requests.values()].some((r) => r.url.endsWith('/events'))).toBe(true);

  const all = [...requests.values()].filter((r) => !r.url.startsWith('data:'));
  // Headless Chromium does not fetch the icon; others do.
  const icon = await page.locator('link[rel="icon"]').getAttribute('href');
  if (icon && !icon.startsWith('data:') && !all.some((r) => r.url.endsWith(icon))) {
    const response = await page.request.get(icon);
    all.push({ url: new URL(icon, demo.baseUrl).href, bytes: (await response.body()).length });
  }
  const table = all.map((r) => `${r.url} ${r.bytes}`).join('\n');
  expect(all.length, table).toBeLessThanOrEqual(6);
  expect(all.map((r) => new URL(r.url).origin).filter((o) => o !== demo.baseUrl), 'other hosts').toEqual([]);
  const bytes = (kind: RegExp) => all.filter((r) => kind.test(new URL(r.url).pathname)).reduce((sum, r) => sum + r.bytes, 0);
  // The script as it is sent; the sandbox's wallet is on no real page.
  const script = all.find((r) => /\/pay-[^/]*\.js$/.test(r.url))!;
  const { headers } = await fetch(script.url, { headers: { 'accept-encoding': 'gzip' }, signal: AbortSignal.timeout(60_000) });
  expect(headers.get('content-encoding')).toBe('gzip');
  expect(Number(headers.get('content-length')), table).toBeLessThanOrEqual(25_000);
  expect(bytes(/\.css$/), table).toBeGreaterThan(1_000);
  expect(bytes(/./), table).toBeLessThanOrEqual(50_000);
});

test('a second visit loads nothing anew but the page itself', async ({ page, demo }) => {
  const checkout = new Checkout(page);
  const sizes: number[][] = [];
  for (const amount of ['10.00', '11.00']) {
    await checkout.open((await order(demo, amount)).securePaymentUrl);
    await expect(checkout.wallet('dev.quittance.sandbox')).toBeVisible();
    sizes.push(await page.evaluate(() => performance.getEntriesByType('resource')
      .filter((e) => e.name.includes('/static/')).map((e) => (e as PerformanceResourceTiming).transferSize)));
  }
  expect(sizes[0]!.filter((size) => size > 0).length, 'over the wire at first').toBeGreaterThanOrEqual(3);
  expect(sizes[1]!.filter((size) => size > 0), 'over the wire again').toEqual([]);
  expect(sizes[1]!.length).toBe(sizes[0]!.length);
});

test('every answer carries the headers of production', async ({ demo }) => {
  const made = await order(demo, '10.00');
  // The demo's Safe app may frame pages of payments, and nobody anything else.
  const framers = new URL(demo.sandbox.safe.appUrl).origin;
  for (const [path, framed] of [[`/?token=${made.token}`, true], [`/checkout/${made.token}/status`, false], ['/?token=unknown', true], ['/storybook/open', false]] as const) {
    const { headers } = await fetch(demo.baseUrl + path, { signal: AbortSignal.timeout(60_000) });
    const policy = headers.get('content-security-policy') ?? '';
    for (const directive of [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", `frame-ancestors ${framed ? framers : "'none'"};`,
      "require-trusted-types-for 'script'", "trusted-types 'none'",
    ]) expect(policy, path).toContain(directive);
    expect(policy).not.toContain('unsafe');
    expect(Object.fromEntries(headers), path).toMatchObject({
      'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store',
    });
    expect(headers.get('x-frame-options'), path).toBe(framed ? null : 'DENY');
  }
});
