import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from './client';
import type { AccountPatch, Role, TokenRequest } from './types';

/* Accounts of people and programs, and members of projects. */

const membersKey = (project: number) => ['project', project, 'members'] as const;

export const accountsQuery = queryOptions({
  queryKey: ['accounts'],
  queryFn: ({ signal }) => api.get('/api/v1/accounts', { signal }),
});

export const membersQuery = (project: number) =>
  queryOptions({
    queryKey: membersKey(project),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/members', { path: { project }, signal }),
  });

/** Invites a person to the whole server. */
export function useInvite() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { email: string; role: Role }) => api.post('/api/v1/accounts', { body }),
    onSuccess: () => client.invalidateQueries({ queryKey: accountsQuery.queryKey }),
  });
}

export function useUpdateAccount() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, patch }: { id: number; patch: AccountPatch }) =>
      api.patch('/api/v1/accounts/{account}', { path: { account: id }, body: patch }),
    onSuccess: () => client.invalidateQueries({ queryKey: accountsQuery.queryKey }),
  });
}

/** A link with which a person sets a new password. */
export function usePasswordLink() {
  return useMutation({ mutationFn: (id: number) => api.post('/api/v1/accounts/{account}/link', { path: { account: id } }) });
}

/** Adds a person to a project, and invites whoever has no account. */
export function useAddMember(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { email: string; role: Role }) => api.post('/api/v1/projects/{project}/members', { path: { project }, body }),
    onSuccess: () => client.invalidateQueries({ queryKey: membersKey(project) }),
  });
}

export function useMemberRole(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ account, role }: { account: number; role: Role }) =>
      api.put('/api/v1/projects/{project}/members/{account}', { path: { project, account }, body: { role } }),
    onSettled: () => client.invalidateQueries({ queryKey: membersKey(project) }),
  });
}

export function useRemoveMember(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (account: number) => api.delete('/api/v1/projects/{project}/members/{account}', { path: { project, account } }),
    onSuccess: () => client.invalidateQueries({ queryKey: membersKey(project) }),
  });
}

export function useCreateToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: TokenRequest) => api.post('/api/v1/tokens', { body }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['tokens'] }),
  });
}

export function useChangePassword() {
  return useMutation({
    mutationFn: (body: { current_password: string; password: string }) => api.put('/api/v1/me/password', { body }),
  });
}
