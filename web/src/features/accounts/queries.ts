import { useQuery } from '@tanstack/react-query';
import { api, body, idempotency } from '@/api/client';
import { queries, useList } from '@/api/query';
import { signOut } from '@/api/session';
import type { CreateSshKey, CreateToken, CreateUser, RegisterUser, UpdateMe, UpdateUser } from '@/api/schema';

const again = (...key: string[]) => queries.invalidateQueries({ queryKey: key });

/** What this server is and who may make an account; no sign-in needed. */
export function useAbout() {
  return useQuery({
    queryKey: ['about'],
    queryFn: ({ signal }) => body(api.GET('/api/about', { signal })),
    staleTime: 60_000,
  });
}

export async function register(account: RegisterUser) {
  return body(api.POST('/api/register', { body: account }));
}

/** Sets a new password by a one-time link; who has the link needs no sign-in. */
export async function resetPassword(token: string, password: string) {
  await api.POST('/api/password-reset', { body: { token, password } });
}

export function useWhoami() {
  return useQuery({
    queryKey: ['me', 'whoami'],
    queryFn: ({ signal }) => body(api.GET('/api/whoami', { signal })),
    staleTime: 60_000,
  });
}

export function useProfile() {
  return useQuery({
    queryKey: ['me', 'profile'],
    queryFn: ({ signal }) => body(api.GET('/api/me', { signal })),
  });
}

export async function changeMe(change: UpdateMe) {
  await body(api.PATCH('/api/me', { body: change }));
  await again('me');
}

export function useKeys() {
  return useQuery({
    queryKey: ['me', 'keys'],
    queryFn: ({ signal }) => body(api.GET('/api/me/ssh-keys', { signal })),
    select: (list) => list.items,
  });
}

export async function addKey(key: CreateSshKey) {
  const made = await body(api.POST('/api/me/ssh-keys', { body: key, params: { header: idempotency() } }));
  await again('me', 'keys');
  return made;
}

export async function removeKey(id: string) {
  await api.DELETE('/api/me/ssh-keys/{id}', { params: { path: { id } } });
  await again('me', 'keys');
}

export function useTokens() {
  return useQuery({
    queryKey: ['me', 'tokens'],
    queryFn: ({ signal }) => body(api.GET('/api/me/tokens', { signal })),
    select: (list) => list.items,
  });
}

export async function addToken(token: CreateToken) {
  const made = await body(api.POST('/api/me/tokens', { body: token, params: { header: idempotency() } }));
  await again('me', 'tokens');
  return made;
}

export async function removeToken(id: string) {
  await api.DELETE('/api/me/tokens/{id}', { params: { path: { id } } });
  await again('me', 'tokens');
}

export function useSessions() {
  return useQuery({
    queryKey: ['me', 'sessions'],
    queryFn: ({ signal }) => body(api.GET('/api/me/sessions', { signal })),
    select: (list) => list.items,
  });
}

export async function endSessionById(id: string) {
  await api.DELETE('/api/me/sessions/{id}', { params: { path: { id } } });
  await again('me', 'sessions');
}

/** Everybody; the page searches in them, and only all of them tell who is the last admin. */
export function useUsers() {
  return useList({
    key: ['users', 'all'],
    page: (cursor, signal) =>
      body(
        api.GET('/api/users', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } }, signal }),
      ),
    all: true,
  });
}

export async function createUser(user: CreateUser) {
  await body(api.POST('/api/users', { body: user, params: { header: idempotency() } }));
  await again('users');
}

export async function updateUser(username: string, change: UpdateUser) {
  await body(api.PATCH('/api/users/{username}', { body: change, params: { path: { username } } }));
  await again('users');
}

export async function deleteUser(username: string) {
  await api.DELETE('/api/users/{username}', { params: { path: { username } } });
  await again('users');
}

/** A one-time link by which a user sets a new password; earlier ones stop working. */
export async function makePasswordLink(username: string) {
  const link = await body(api.POST('/api/users/{username}/reset', { params: { path: { username } } }));
  // Without a public address the server knows only the way, and this page's address is the right one.
  return { ...link, url: new URL(link.url, location.origin).href };
}

/** Ends every session, this one too; other tabs hear of it. */
export async function signOutEverywhere() {
  await api.DELETE('/api/me/sessions');
  await signOut();
}
