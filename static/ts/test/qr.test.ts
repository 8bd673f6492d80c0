// The page's drawing of codes against the server's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDrawing, says } from '../src/qr.ts';
import { chance } from './fixtures.ts';
import { codes } from './deposit-world.ts';

test('a code of the server says its text and no other', () => {
  const texts = Object.keys(codes);
  assert.ok(texts.length > 30);
  texts.forEach((text, i) => {
    const drawing = readDrawing(codes[text] ?? '');
    assert.ok(drawing, text);
    assert.ok(says(drawing, text), text);
    assert.ok(!says(drawing, `${text} `) && !says(drawing, text.slice(1)) && !says(drawing, texts[i + 1] ?? ''), text);
  });
});

test('one module more or less, anywhere, and a code says nothing', () => {
  const text = 'ethereum:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266@900008453?value=6680823708011624';
  const drawing = readDrawing(codes[text] ?? '');
  assert.ok(drawing);
  const runs = drawing.shape.split('z').filter(Boolean);
  const r = chance(7);
  for (let i = 0; i < 60; i++) {
    const at = r.below(runs.length);
    const without = runs.filter((_, k) => k !== at);
    assert.ok(!says({ ...drawing, shape: `${without.join('z')}z` }, text));
    assert.ok(!says({ ...drawing, shape: `${[...runs, `M${r.below(45)} ${r.below(45)}h1v1h-1`].join('z')}z` }, text));
  }
});

test('anything but a drawing of the server’s is none', () => {
  const good = codes['0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'] ?? '';
  assert.ok(readDrawing(good));
  for (const bad of [
    '', 'text', good.slice(1), `${good} `, good.replace('#000', '#fff'), good.replace('<path', '<path stroke="#000"'), good.replace('</svg>', '<path d="M0 0h9z"/></svg>'),
    good.replace('<rect', '<script>1</script><rect'), good.replace('<svg ', '<svg onload="1" '), good.replace('viewBox="0 0 3', 'viewBox="1 0 3'), good.replace(/ d="M/, ' d="A1 1 0 0 0 M'),
  ]) {
    assert.equal(readDrawing(bad), null, bad.slice(0, 120));
  }
  for (const width of [NaN, 0, 28, 30, 31, 81, 181]) assert.equal(says({ width, shape: '' }, 'a'), false, String(width));
});
