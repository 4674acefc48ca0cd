import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = process.env.HINOMI_DEV_SERVER ?? 'http://127.0.0.1:8119';

export default defineConfig({
  plugins: [react()],
  server: {
    // The help is the project's documentation.
    fs: { allow: ['.', '../docs'] },
    proxy: { '/api': server, '/login': server },
  },
  preview: {
    proxy: { '/api': server, '/login': server },
  },
  build: {
    outDir: 'dist',
    target: 'es2022',
    // The page is embedded in the binary: every file is served by us, so no data: URLs that a strict policy would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        // What changes with every release apart from what changes with a dependency.
        codeSplitting: {
          groups: [
            {
              name: 'vendor',
              test: /node_modules[\\/](react|react-dom|scheduler|@tanstack[\\/](query-core|react-query|react-router|router-core|history|react-store|store))[\\/]/,
            },
          ],
        },
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}', 'dev/**/*.test.mjs'],
  },
});
