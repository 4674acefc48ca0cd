// A server with another page than the one in its binary: files of a build, everything else passed on.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import path from 'node:path';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.png': 'image/png' };
const SERVERS_OWN = /^\/(api|login)(\/|\?|$)/;

/** The same server at an address that answers with the page in `folder`. */
export async function withPage(server, folder) {
  const origin = new URL(server.url);
  const fileOf = ({ url, method, headers }) => {
    if (SERVERS_OWN.test(url) || method !== 'GET') return null;
    const wanted = path.join(folder, path.normalize(new URL(url, origin).pathname));
    if (existsSync(wanted) && statSync(wanted).isFile()) return wanted;
    return headers.accept?.includes('text/html') ? path.join(folder, 'index.html') : null;
  };
  const proxy = createServer((asked, answer) => {
    const file = fileOf(asked);
    if (file) {
      answer.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
      createReadStream(file).pipe(answer);
      return;
    }
    const headers = { ...asked.headers, host: origin.host, ...(asked.headers.origin && { origin: origin.origin }) };
    const passed = request(new URL(asked.url, origin), { method: asked.method, headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
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
