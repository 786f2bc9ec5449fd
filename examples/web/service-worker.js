/**
 * Keeps the page, the runtime and the model for use without a network.
 *
 * It asks the network first, so an old copy never hides a new model or version. It answers with the
 * copy if there is no network.
 */

const CACHE = 'handwriting-1';
const SHELL = [
  './',
  'style.css',
  'scripts/app.js',
  'scripts/client.js',
  'scripts/fields.js',
  'scripts/model.js',
  'scripts/pad.js',
  'scripts/page.js',
  'scripts/sheet.js',
  'scripts/strokes.js',
  'scripts/worker.js',
];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)));
  self.skipWaiting();
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method !== 'GET' || new URL(url).origin !== self.location.origin) return;
  event.respondWith(freshOrKept(event));
});

async function freshOrKept(event) {
  const cache = await caches.open(CACHE);
  try {
    // Ask the server even if the browser has a copy: the files of one export belong together.
    const response = await fetch(event.request, { cache: 'no-cache' });
    if (response.ok) event.waitUntil(cache.put(event.request, response.clone()));
    return response;
  } catch (error) {
    const ignoreSearch = event.request.mode === 'navigate'; // the page is one, whatever ?model= says
    const kept = await cache.match(event.request, { ignoreSearch });
    if (kept) return kept;
    throw error;
  }
}
