/**
 * The thread that the model runs in, so that the page never waits for it.
 *
 * It is a classic worker, because LiteRT.js loads its start-up code with importScripts and module
 * workers lack that. It takes {id, name, argument} and answers {id, result} or {id, error}. While it
 * loads, it sends {progress}.
 */

const loaded = import('./model.js');
let model;

const calls = {
  async load(url) {
    const { PenModel } = await loaded.catch(() => {
      throw new Error('LiteRT.js is missing. Run “npm ci” in the folder of the page.');
    });
    model = await PenModel.load(url, (...progress) => self.postMessage({ progress }));
    return model.metadata;
  },
  generate: (request) => model.generate(request),
  goOn: (request) => model.goOn(request),
  score: (request) => model.score(request),
};

self.addEventListener('message', async ({ data: { id, name, argument } }) => {
  try {
    self.postMessage({ id, result: await calls[name](argument) });
  } catch (error) {
    self.postMessage({ id, error: error?.message ?? String(error) });
  }
});
