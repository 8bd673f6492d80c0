// The API document: what it is by the official meta-schema, and its page for
// people who read, on every screen, without script and from this host alone.
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { Validator } from '@seriousme/openapi-schema-validator';
import { desktop, expectFits, phone } from '../fixtures/page.ts';
import { expect, test } from '../fixtures/test.ts';

const screens = fileURLToPath(new URL('../out/screens/', import.meta.url));

test('the document is valid OpenAPI 3.1', async ({ demo }) => {
  const reply = await fetch(`${demo.baseUrl}/openapi.json`, { signal: AbortSignal.timeout(60_000) });
  expect(reply.headers.get('content-type')).toContain('application/json');
  const document = (await reply.json()) as Record<string, unknown>;
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  expect(valid, JSON.stringify(errors, null, 2)).toBe(true);
  expect(validator.version).toBe('3.1');
  // The meta-schema can say no.
  expect((await new Validator().validate({ ...document, paths: { '/x': { get: { responses: 7 } } } })).valid).toBe(false);
});

test('the page is readable for everybody, on every screen', async ({ page, demo }) => {
  test.setTimeout(300_000); // it is long, and axe looks at every word
  const elsewhere: string[] = [];
  page.on('request', (r) => {
    if (new URL(r.url()).origin !== demo.baseUrl) elsewhere.push(r.url());
  });
  const reply = await page.goto(`${demo.baseUrl}/docs`);
  expect(reply?.status()).toBe(200);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Quittance API');
  const violations = async (axe: AxeBuilder) => (await axe.analyze()).violations.map((v) => `${v.id}: ${v.nodes[0]?.html}`);
  // Its structure, whole; its colours, where every kind of thing is that it has.
  expect(await violations(new AxeBuilder({ page }).disableRules('color-contrast'))).toEqual([]);
  const samples = ['createSecurePayment', 'revokeClientId', 'webhook-payment-confirmed'];
  await page.evaluate((ids) => {
    for (const id of ids) for (const d of document.querySelectorAll<HTMLDetailsElement>(`[data-testid="operation-${id}"] details`)) d.open = true;
  }, samples);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const axe = new AxeBuilder({ page }).withRules('color-contrast').include('.docs-top').include('.docs-nav').include('#authentication');
    for (const id of samples) axe.include(`[data-testid="operation-${id}"]`);
    expect(await violations(axe)).toEqual([]);
  }
  // With everything open, which is where wide tables and long words would show.
  await page.evaluate(() => {
    for (const d of document.querySelectorAll('details')) d.open = true;
  });
  for (const [size, viewport] of Object.entries({ phone, desktop })) {
    await page.setViewportSize(viewport);
    await expectFits(page);
    for (const id of ['content', ...samples]) {
      await page.locator(`#${id}`).first().scrollIntoViewIfNeeded();
      await page.screenshot({ path: `${screens}docs-${id}-${size}.png` });
    }
  }
  expect(elsewhere).toEqual([]);
});

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false });

  test('contents lead to an operation, and what it answers can be opened', async ({ page, demo }) => {
    await page.goto(`${demo.baseUrl}/docs`);
    await page.getByRole('navigation', { name: 'Contents' }).getByRole('link', { name: 'Create a payment', exact: true }).filter({ visible: true }).click();
    await expect(page).toHaveURL(/#createSecurePayment$/);
    const operation = page.getByTestId('operation-createSecurePayment');
    await expect(operation).toBeInViewport();
    await expect(operation.getByText('curl', { exact: false }).first()).toContainText(`${demo.baseUrl}/v2/secure-payments`);
    const created = operation.locator('.docs-answers > li').filter({ hasText: '201' });
    await created.locator('summary').click();
    await expect(created.getByText('securePaymentUrl', { exact: true })).toBeVisible();
  });
});
