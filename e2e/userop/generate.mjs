// Writes what the Go tests read (--write), or, with --seed SEED, fresh vectors to
// standard output.
import { writeFileSync } from 'node:fs';
import { contracts, standins } from './contracts.mjs';
import { contractsFile, fixtureSeed, standinsFile, vectorsFile } from './paths.mjs';
import { format, generate } from './vectors.mjs';

const [flag, seed] = process.argv.slice(2);
if (flag === '--write') {
  writeFileSync(contractsFile, contracts());
  writeFileSync(standinsFile, standins());
  writeFileSync(vectorsFile, format(await generate(fixtureSeed)));
} else if (flag === '--seed' && seed) {
  process.stdout.write(format(await generate(seed)));
} else {
  process.stderr.write('usage: node generate.mjs --write | --seed SEED\n');
  process.exit(2);
}
