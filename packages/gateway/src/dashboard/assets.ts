/** The files of the page: read once, answered from memory, and held to what a page of operators needs and no more. */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

/** The same from `dist` and from `src`. */
const folder = new URL('../../src/dashboard/page/', import.meta.url);

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Everything from here, nothing from elsewhere; text never becomes script or markup, whatever it says; in no frame. */
const securityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export const securityHeaders = {
  'content-security-policy': securityPolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
} as const;

export const pageFiles = [
  'style.css',
  'icon.svg',
  'main.js',
  'connection.js',
  'elements.js',
  'words.js',
  'now.js',
  'timeline.js',
  'backends.js',
  'identities.js',
  'refusals.js',
] as const;

/** What to answer for each path. */
export function pageAssets(): ReadonlyMap<string, (response: ServerResponse) => void> {
  const require = createRequire(import.meta.url);
  const uplot = (file: string): Buffer => readFileSync(require.resolve(`uplot/dist/${file}`));
  return new Map([
    asset('/dashboard', 'html', readFileSync(new URL('index.html', folder))),
    ...pageFiles.map((file) =>
      asset(`/dashboard/${file}`, file.slice(file.lastIndexOf('.') + 1), readFileSync(new URL(file, folder))),
    ),
    asset('/dashboard/uplot.js', 'js', uplot('uPlot.iife.min.js')),
    asset('/dashboard/uplot.css', 'css', uplot('uPlot.min.css')),
  ]);
}

function asset(path: string, extension: string, body: Buffer): [string, (response: ServerResponse) => void] {
  const headers = { ...securityHeaders, 'content-type': types[extension]!, 'content-length': body.length };
  return [
    path,
    (response) => {
      response.writeHead(200, headers);
      response.end(body);
    },
  ];
}
