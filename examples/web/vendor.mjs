/**
 * Copies LiteRT.js from node_modules to vendor/litert, where a plain static server finds it.
 *
 * `npm ci` runs this. It copies only the two builds without threads. They need neither
 * SharedArrayBuffer nor the headers of cross-origin isolation that SharedArrayBuffer asks for.
 */

import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';

const packages = new URL('./node_modules/@litertjs/', import.meta.url);
const target = new URL('./vendor/litert/', import.meta.url);
const BUILDS = ['litert_wasm_internal', 'litert_wasm_compat_internal'];

/** Removes a module's bare import, which workers cannot resolve, and its link to a source map. */
async function browserModule(path) {
  const source = await readFile(new URL(path, packages), 'utf8');
  return source
    .replace(/(from\s+)(["'])@litertjs\/wasm-utils\2/g, '$1"./wasm-utils.js"')
    .replace(/^\/\/# sourceMappingURL=.*$/gm, '');
}

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await writeFile(new URL('index.js', target), await browserModule('core/dist/index.js'));
await writeFile(new URL('wasm-utils.js', target), await browserModule('wasm-utils/dist/index.js'));

/** @type {Record<string, number>} The page shows progress even where a server compresses. */
const bytes = {};
for (const name of BUILDS.flatMap((build) => [`${build}.js`, `${build}.wasm`])) {
  const source = new URL(`core/wasm/${name}`, packages);
  await copyFile(source, new URL(name, target));
  bytes[name] = (await stat(source)).size;
}
const { version } = JSON.parse(await readFile(new URL('core/package.json', packages), 'utf8'));
await writeFile(new URL('manifest.json', target), JSON.stringify({ version, bytes }, null, 2));
console.log(`LiteRT.js ${version} is in vendor/litert.`);
