// Writes what the Go tests read (--write), or, with --seed SEED, fresh vectors to
// standard output.
import { writeFileSync } from 'node:fs';
import { contracts } from './contracts.mjs';
import { deployments } from './deployments.mjs';
import { contractsFile, deploymentsFile, fixtureSeed, vectorsFile } from './fixture.mjs';
import { format, generate } from './vectors.mjs';

const [flag, seed] = process.argv.slice(2);
if (flag === '--write') {
  writeFileSync(contractsFile, contracts());
  writeFileSync(deploymentsFile, deployments());
  writeFileSync(vectorsFile, format(await generate(fixtureSeed)));
} else if (flag === '--seed' && seed) {
  process.stdout.write(format(await generate(seed)));
} else {
  process.stderr.write('usage: node generate.mjs --write | --seed SEED\n');
  process.exit(2);
}
