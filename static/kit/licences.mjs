// The licences of packages whose code is in a bundle.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

// What MIT-licensed packages say behind their copyright lines: whitespace and quotes aside, the same in all of them.
const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`;

const plain = (text) => text.replace(/[“”]/g, '"').replace(/[‘’]/g, "'").replace(/\s+/g, ' ').trim().toLowerCase();

// Beside the terms there are a title and the copyright lines, which have to be kept.
const title = /^\s*(?:the )?mit license(?: \(mit\))?\s*$/i;
const copyright = /^\s*copyright \(c\) .+$/i;

function notice(dir) {
  const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const lines = readFileSync(join(dir, 'LICENSE'), 'utf8').split('\n');
  const owners = lines.filter((line) => copyright.test(line)).map((line) => line.trim());
  const terms = lines.filter((line) => !copyright.test(line) && !title.test(line)).join('\n');
  if (license !== 'MIT' || owners.length === 0 || plain(terms) !== plain(mit)) {
    throw new Error(`${name} ${version} is not under the MIT licence as it usually reads (${license}): decide whether it may be passed on, and how`);
  }
  return `${name} ${version}\n${owners.map((line) => `  ${line}\n`).join('')}`;
}

/** The notices of all packages that files of a node_modules come from, and the terms they share. Throws for other terms. */
export function licences(root, files) {
  const packages = new Set();
  for (const file of files) {
    const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
    if (name) packages.add(file.slice(0, file.lastIndexOf(`node_modules/${name}/`)) + `node_modules/${name}`);
  }
  const notices = [...packages].map((dir) => notice(join(root, dir))).sort();
  const text = `This holds code of the following packages, each under the MIT licence below.\n\n${notices.join('')}\n${mit}`;
  if (text.includes('*/')) throw new Error('the notices cannot stand in a comment');
  return text;
}
