// Opens reports in a browser, narrow and wide, light and dark, and fails on whatever a reader would stumble over.
//
//     (cd scripts/report && npm install)
//     node scripts/report/check.mjs report.html [MORE.html...] [--screenshots DIR] [--browser /usr/bin/chromium]
//
// A page fails by an error on its console, a request to anywhere, an image that shows nothing, a page wider than its window, two
// elements of one id, a link to no place in it, an image or a chart without a description, or a heading that skips a level.

import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const WIDTHS = [400, 1400];
const SCHEMES = ['light', 'dark'];
// Debian's browser speaks to its makers unless it is told not to.
const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const { values: options, positionals: pages } = parseArgs({
  allowPositionals: true,
  options: {
    screenshots: { type: 'string' },
    browser: { type: 'string', default: '/usr/bin/chromium' },
  },
});
if (pages.length === 0) {
  console.error('usage: node scripts/report/check.mjs REPORT.html... [--screenshots DIR] [--browser PATH]');
  process.exit(2);
}

/** Everything wrong with the page as it stands in the window, in words. Runs in the page. */
function faultsInside() {
  const faults = [];
  const images = [...document.images];
  for (const image of images) {
    if (!image.complete || image.naturalWidth === 0) faults.push(`an image shows nothing: ${image.alt}`);
    if (!image.alt) faults.push('an image without a description');
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) {
    const wide = [...document.body.querySelectorAll('*')].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1 && !element.closest('.wide, .skip'),
    );
    const names = wide.slice(0, 5).map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`);
    faults.push(`the page is ${scrollWidth} wide in a window of ${clientWidth}: ${names.join(', ')}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place);
  if (twice.length > 0) faults.push(`ids that stand twice: ${twice.join(', ')}`);
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    if (!document.getElementById(link.hash.slice(1))) faults.push(`a link to no place: ${link.hash}`);
  }
  for (const chart of document.querySelectorAll('figure svg')) {
    if (!chart.closest('[role="img"][aria-label]')) faults.push('a chart without a description');
  }
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map((heading) => Number(heading.tagName[1]));
  levels.forEach((level, place) => {
    if (level > (levels[place - 1] ?? 0) + 1) faults.push(`a heading of level ${level} after one of ${levels[place - 1]}`);
  });
  for (const table of document.querySelectorAll('table')) {
    if (!table.querySelector('th[scope="col"]') || !table.querySelector('th[scope="row"]')) {
      faults.push('a table without headers of its columns and rows');
    }
  }
  if (document.querySelectorAll('script').length > 0) faults.push('a script');
  return { faults, images: images.length, charts: document.querySelectorAll('figure svg').length };
}

async function check(browser, path, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, deviceScaleFactor: 1 });
  const page = await context.newPage();
  const url = pathToFileURL(resolve(path)).href;
  const faults = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const target = request.url();
    if (target !== url && !target.startsWith('data:')) faults.push(`a request: ${target}`);
  });
  await page.goto(url, { waitUntil: 'load' });
  const inside = await page.evaluate(faultsInside);
  if (options.screenshots) {
    const name = `${basename(path, '.html')}-${width}-${colorScheme}.png`;
    await page.screenshot({ path: join(options.screenshots, name), fullPage: true });
  }
  await context.close();
  return { ...inside, faults: [...faults, ...inside.faults] };
}

if (options.screenshots) await mkdir(options.screenshots, { recursive: true });
const browser = await chromium.launch({ executablePath: options.browser, args: QUIET });
let failed = 0;
let passed = 0;
try {
  for (const path of pages) {
    for (const width of WIDTHS) {
      for (const scheme of SCHEMES) {
        const { faults, images, charts } = await check(browser, path, width, scheme);
        if (faults.length > 0) failed += 1;
        else passed += 1;
        const verdict = faults.length > 0 ? 'FAILED' : 'passed';
        console.log(`${verdict} ${path}, ${width} pixels, ${scheme}: ${images} images, ${charts} charts`);
        for (const fault of faults) console.log(`  ${fault}`);
      }
    }
  }
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
