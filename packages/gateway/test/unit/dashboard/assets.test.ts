/** The files of the page: all of them are served, they ask for nothing from elsewhere, and none can make text into markup. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pageAssets, pageFiles, securityHeaders } from '../../../src/dashboard/assets.js';

const folder = new URL('../../../src/dashboard/page/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8');

test('every file of the page is served, and no other', () => {
  expect(readdirSync(folder).sort()).toEqual(['index.html', ...pageFiles].sort());
  const paths = [
    '/dashboard',
    '/dashboard/uplot.js',
    '/dashboard/uplot.css',
    ...pageFiles.map((file) => `/dashboard/${file}`),
  ];
  expect([...pageAssets().keys()].sort()).toEqual(paths.sort());
});

test('what the page and its modules ask for is there', () => {
  const served = pageAssets();
  const asked = [...read('index.html').matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => `/${path}`);
  expect(asked.length).toBeGreaterThan(4);
  for (const path of asked) if (path !== '/metrics') expect(served.has(path), path).toBe(true);
  for (const file of pageFiles.filter((one) => one.endsWith('.js'))) {
    for (const [, module] of read(file).matchAll(/^import .* from '\.\/(.+)';$/gm)) {
      expect(served.has(`/dashboard/${module}`), `${file} imports ${module}`).toBe(true);
    }
  }
});

test('nothing comes from outside, and nothing runs that is not a file of ours', () => {
  for (const file of ['index.html', ...pageFiles]) {
    const text = read(file).replace('http://www.w3.org/2000/svg', '');
    expect(/(?:https?:)?\/\/[\w.-]+\.\w+\//.exec(text)?.[0], file).toBeUndefined();
    expect(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser/.exec(text)?.[0],
      file,
    ).toBeUndefined();
  }
  expect(read('index.html')).not.toMatch(/\sstyle=|\son\w+=|<script>|<style>/);
  const policy = securityHeaders['content-security-policy'];
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
    expect(policy.split('; ')).toContain(rule);
  }
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
});
