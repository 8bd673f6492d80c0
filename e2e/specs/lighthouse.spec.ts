// What Lighthouse finds on its phone preset that does not depend on how busy
// this machine is. `npm run lighthouse` measures the rest.
import { runLighthouse } from '../fixtures/lighthouse.ts';
import { order } from '../fixtures/order.ts';
import { expect, test } from '../fixtures/test.ts';

test('Lighthouse finds the page accessible and well made', async ({ demo }) => {
  test.setTimeout(240_000);
  const { scores, complaints } = await runLighthouse((await order(demo, '10.00')).securePaymentUrl);
  const why = complaints.join('\n');
  expect(scores.accessibility, why).toBeGreaterThanOrEqual(98);
  expect(scores.bestPractices, why).toBeGreaterThanOrEqual(98);
});
