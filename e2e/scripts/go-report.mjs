// Reads `go test -json` and prints what a person wants of it: a line for each
// package, the whole output of what failed, the reason of what was skipped, and
// the counts. Exits 1 if anything failed or nothing ran.
import { createInterface } from 'node:readline';

const tests = new Map(); // package/test -> its output so far
const packages = new Map(); // package -> its own output (a panic, a build error)
const count = { pass: 0, fail: 0, skip: 0 };
const parents = new Map(); // package/test with subtests -> whether one of them failed
const skipped = [];
let failedPackages = 0;

function append(map, key, text) {
  if (!map.has(key)) map.set(key, []);
  map.get(key).push(text);
}

function take(map, key) {
  const text = (map.get(key) ?? []).join('');
  map.delete(key);
  return text;
}

// The lines that only frame a test's own output.
const frame = /^\s*(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|SKIP)|PASS$|ok\s)/;

function body(text) {
  return text.split('\n').filter((line) => line.trim() !== '' && !frame.test(line)).join('\n');
}

function finishTest(e) {
  const key = `${e.Package} ${e.Test}`;
  const text = take(tests, key);
  // A test with subtests is their sum, not one more; only when it fails in its
  // own right would its failure be in no number.
  const slash = e.Test.lastIndexOf('/');
  const parent = slash > 0 ? `${e.Package} ${e.Test.slice(0, slash)}` : undefined;
  if (parent) parents.set(parent, parents.get(parent) || e.Action === 'fail');
  if (parents.has(key) && (e.Action !== 'fail' || parents.get(key))) return;
  count[e.Action]++;
  if (e.Action === 'fail') console.log(`FAIL ${e.Test} (${e.Package})\n${body(text)}`);
  if (e.Action === 'skip') skipped.push(`  ${e.Package} ${e.Test}: ${body(text).trim()}`);
}

function finishPackage(e) {
  const name = e.Package.replace(/^quittance\//, '');
  const text = take(packages, e.Package);
  const seconds = `${(e.Elapsed ?? 0).toFixed(1)} s`.padStart(8);
  if (e.Action === 'fail') {
    failedPackages++;
    // A build error, a panic or a data race belongs to no one test; a test
    // that was running when its process died has no line of its own.
    for (const key of [...tests.keys()]) {
      if (!key.startsWith(`${e.Package} `)) continue;
      const running = body(take(tests, key));
      if (running) console.log(running);
    }
    console.log(`${body(text)}\nFAIL ${seconds}  ${name}`);
  } else if (!/no test files/.test(text)) {
    console.log(`ok   ${seconds}  ${name}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let e;
  try {
    e = JSON.parse(line);
  } catch {
    console.log(line);
    continue;
  }
  const done = ['pass', 'fail', 'skip'].includes(e.Action);
  if (e.Action === 'build-output') process.stdout.write(e.Output);
  else if (e.Action === 'output' && e.Test) append(tests, `${e.Package} ${e.Test}`, e.Output);
  else if (e.Action === 'output') append(packages, e.Package, e.Output);
  else if (done && e.Test) finishTest(e);
  else if (done && e.Package) finishPackage(e);
}

if (skipped.length > 0) console.log(`skipped tests:\n${skipped.join('\n')}`);
console.log(`go: ${count.pass} passed, ${count.fail} failed, ${count.skip} skipped`);
if (count.pass + count.fail === 0) console.log('no test ran');
if (count.fail > 0 || failedPackages > 0 || count.pass === 0) process.exitCode = 1;
