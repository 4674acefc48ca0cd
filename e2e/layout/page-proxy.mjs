// A server with another page than the one in its binary: files of a build, everything else passed on.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import path from 'node:path';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.png': 'image/png' };
const PASSED_ON = /^\/(api|login)(\/|\?|$)/;

/** The same server at an address that answers with the page in `folder`. */
export async function withPage(server, folder) {
  const proxy = createServer((asked, answer) => {
    if (PASSED_ON.test(asked.url)) {
      const passed = request(new URL(asked.url, server.url), { method: asked.method, headers: { ...asked.headers, host: new URL(server.url).host } }, (got) => {
        answer.writeHead(got.statusCode, got.headers);
        got.pipe(answer);
      });
      passed.on('error', () => answer.destroy());
      answer.on('close', () => passed.destroy());
      asked.pipe(passed);
      return;
    }
    const wanted = path.join(folder, path.normalize(new URL(asked.url, 'http://page').pathname));
    const file = existsSync(wanted) && statSync(wanted).isFile() ? wanted : path.join(folder, 'index.html');
    answer.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(answer);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${proxy.address().port}`;
  return {
    ...server,
    url,
    signInLink: () => server.signInLink().replace(/^http:\/\/[^/]+/, url),
    stop: async () => {
      proxy.closeAllConnections();
      proxy.close();
      await server.stop();
    },
  };
}
