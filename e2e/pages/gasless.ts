// Paying without gas as a payer meets it: who pays for gas, the smart account and
// what it may take, and the operation on its way.
import { type Locator, expect } from '@playwright/test';
import type { Checkout } from './checkout.ts';

export type Way = 'batch_sponsored' | 'op_permit' | 'op_approved' | 'batch' | 'op_approval' | 'plain';

export class Gasless {
  constructor(readonly checkout: Checkout) {}

  id(testId: string): Locator {
    return this.checkout.id(testId);
  }

  way(way: Way): Locator {
    return this.id('gasless-ways').locator(`input[value="${way}"]`);
  }

  ways(): Promise<string[]> {
    return this.id('gasless-ways').locator('input').evaluateAll((all) => all.map((i) => (i as HTMLInputElement).value));
  }

  /** The ways that are offered, in their order, and the one that is taken. */
  async expectWays(taken: Way, ...all: Way[]): Promise<void> {
    await expect(this.way(taken)).toBeChecked();
    expect(await this.ways()).toEqual(all);
  }

  async pick(way: Way): Promise<void> {
    await this.way(way).check();
    await expect(this.way(way)).toBeChecked();
  }

  /** The steps with how far they are: "permit:active pay:todo". */
  async stepLine(): Promise<string> {
    const all = await this.id('steps').locator('[data-step]').evaluateAll((list) => list.map((s) => `${s.getAttribute('data-step')}:${s.getAttribute('data-status')}`));
    return all.join(' ');
  }

  /** One of the safety check's rows. */
  check(name: string): Locator {
    return this.id('safety-checks').locator(`[data-check="${name}"]`);
  }

  async expectChecked(): Promise<void> {
    for (const name of ['sender', 'factory', 'nonce', 'calls', 'permit', 'value', 'gas', 'fees', 'paymaster']) {
      await expect(this.check(`op_${name}`)).toHaveAttribute('data-outcome', 'passed');
    }
  }
}
