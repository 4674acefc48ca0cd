import { createElement, use, type ComponentType } from 'react';
import { getConnection } from '../api/connection';
import { probe } from '../api/client';

/** The code of a page could not be fetched: the server is gone, or was replaced by another version. */
export class PageLoadError extends Error {
  constructor(cause: unknown) {
    super('The code of this page could not be fetched', { cause });
    this.name = 'CodeError';
  }
}

/**
 * A page whose code is fetched when it is opened. A failure is not kept: it is tried again when the page is asked for again. While
 * the server is known to be gone nothing is fetched, since browsers remember a module that failed.
 */
export function lazyPage(importer: () => Promise<{ default: ComponentType }>) {
  let Loaded: ComponentType | null = null;
  let loading: Promise<ComponentType> | null = null;
  const fetchCode = async () => {
    if (getConnection().state === 'lost' && !(await probe())) throw new PageLoadError('the server does not answer');
    try {
      return (Loaded = (await importer()).default);
    } catch (cause) {
      // The live stream need not have noticed yet.
      void probe();
      throw new PageLoadError(cause);
    }
  };
  const load = () => {
    loading ??= fetchCode().catch((error: unknown) => {
      loading = null;
      throw error;
    });
    return loading;
  };
  function Page() {
    return createElement(Loaded ?? use(load()));
  }
  Page.preload = async () => {
    await load();
  };
  return Page;
}

/** Loads the whole page again, as soon as the server is there to answer that. Says whether it was. */
export async function reloadPage(): Promise<boolean> {
  const there = await probe();
  if (there) window.location.reload();
  return there;
}
