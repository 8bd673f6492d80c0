// Amounts as the server's money.Display writes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, briefUp, display, maxUint256, readUnits, remaining } from '../src/units.ts';
import { chance } from './fixtures.ts';

test('display is the server’s rule', () => {
  const cases: [bigint, number, string][] = [
    [0n, 6, '0.00'],
    [1n, 6, '0.000001'],
    [10n, 6, '0.00001'],
    [100_000n, 6, '0.10'],
    [10_000_000n, 6, '10.00'],
    [10_500_000n, 6, '10.50'],
    [1_234_500_000n, 6, '1,234.50'],
    [1_234_567_891_234_567n, 6, '1,234,567,891.234567'],
    [999_999n, 6, '0.999999'],
    [999_000_000n, 6, '999.00'],
    [1_000_000_000n, 6, '1,000.00'],
    [5n, 0, '5'],
    [12_345n, 0, '12,345'],
    [5n, 1, '0.5'],
    [50n, 1, '5.0'],
    [12_345n, 2, '123.45'],
    [10n ** 18n, 18, '1.00'],
    [1n, 18, '0.000000000000000001'],
    [1_500_000_000_000_000_000_000n, 18, '1,500.00'],
  ];
  for (const [units, decimals, want] of cases) assert.equal(display(units, decimals), want, `${units} / ${decimals}`);
});

test('display loses nothing', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const r = chance(seed);
    const units = r.units();
    const decimals = r.below(20);
    const [whole = '', fraction = ''] = display(units, decimals).replaceAll(',', '').split('.');
    assert.equal(BigInt(whole + fraction.padEnd(decimals, '0')), units, `seed ${seed}`);
    assert.match(display(units, decimals), /^\d{1,3}(,\d{3})*(\.\d+)?$/);
  }
});

test('brief cuts and briefUp never says too little', () => {
  assert.equal(brief(1_999_999_999_999_999_999n, 18), '1.999999');
  assert.equal(briefUp(1_999_999_999_999_999_999n, 18), '2.00');
  assert.equal(briefUp(1n, 18), '0.000001');
  assert.equal(brief(1n, 18), '0.00');
  assert.equal(brief(1_234_567n, 6), '1.234567');
  assert.equal(briefUp(2n * 10n ** 18n, 18), '2.00');
});

test('base units are plain digits within 256 bits', () => {
  assert.equal(readUnits('0'), 0n);
  assert.equal(readUnits(String(maxUint256)), maxUint256);
  for (const bad of [String(maxUint256 + 1n), '', '-1', '+1', '01', '1.0', '1e6', '0x10', ' 1', '1 ', '１', 1, null, undefined, 1n, ['1'], '9'.repeat(90)]) {
    assert.equal(readUnits(bad), null, String(bad));
  }
});

test('time left', () => {
  const minute = 60_000;
  assert.equal(remaining(14 * minute + 59_000), '14:59');
  assert.equal(remaining(1), '0:01');
  assert.equal(remaining(0), '0:00');
  assert.equal(remaining(-5), '0:00');
  assert.equal(remaining(60 * minute), '1 h 0 min');
  assert.equal(remaining(60 * minute - 1), '1 h 0 min');
  assert.equal(remaining(192 * minute), '3 h 12 min');
  assert.equal(remaining(52 * 60 * minute), '2 d 4 h');
});
