// Writes official vectors: to the fixture that the Go tests read (--write), or,
// with --seed SEED, fresh ones to standard output.
import { writeFileSync } from 'node:fs';
import { fixture, fixtureSeed } from './fixture.mjs';
import { format, generate } from './vectors.mjs';

const [flag, seed] = process.argv.slice(2);
if (flag === '--write') {
  writeFileSync(fixture, format(generate(fixtureSeed)));
} else if (flag === '--seed' && seed) {
  process.stdout.write(format(generate(seed)));
} else {
  process.stderr.write('usage: node generate.mjs --write | --seed SEED\n');
  process.exit(2);
}
