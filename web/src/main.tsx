import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client';
import { needsRenewal, renewSession } from './api/session-renewal';
import { watchTruncatedText } from './components/truncated-text';
import { makeRouter } from './router';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/menus.css';
import './styles/page-nav.css';
import './styles/tables.css';
import './styles/parts.css';
import './styles/forms.css';
import './styles/charts.css';

const client = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      // A session that ends while the page is open: what is shown may stay in no cache.
      if (error instanceof ApiError && error.status === 401) {
        client.clear();
        if (needsRenewal(error)) renewSession(router.state.location.href);
        else if (router.state.location.pathname !== '/sign-in')
          void router.navigate({ to: '/sign-in', search: { then: router.state.location.href } });
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => error instanceof ApiError && (error.status === 0 || error.status >= 500) && failures < 2,
    },
  },
});
const router = makeRouter(client);

watchTruncatedText();
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
