// How long the page takes to read, compare and spell out a route. The first time
// is what a payer waits for, before the engine has optimised anything.
import { prove, scenes } from './routes.ts';

const timed = (run: () => unknown): number => {
  const start = performance.now();
  run();
  return (performance.now() - start) * 1_000;
};
const column = (us: number): string => `${us.toFixed(0)} µs`.padStart(10);

const [first] = scenes;
if (first) console.log(`${'the very first'.padEnd(52)}${column(timed(() => prove(first)))}`);
console.log(`${''.padEnd(52)}${'median'.padStart(10)}${'99 %'.padStart(10)}`);
for (const s of scenes) {
  for (let i = 0; i < 200; i++) prove(s);
  const times = Array.from({ length: 1_000 }, () => timed(() => prove(s))).sort((a, b) => a - b);
  console.log(`${s.name.padEnd(52)}${column(times[500] ?? 0)}${column(times[990] ?? 0)}`);
}
