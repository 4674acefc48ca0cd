import { createContext } from 'react';

/** The address of media outside of a project's pages; null where the project of the page has them. */
export const MediaAddressContext = createContext<((mediaId: string) => string) | null>(null);
