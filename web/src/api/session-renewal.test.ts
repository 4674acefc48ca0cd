import { expect, test } from 'vitest';
import { ApiError } from './client';
import { needsRenewal, providerAddress } from './session-renewal';

test('only a session of an identity provider is renewed', () => {
  expect(needsRenewal(new ApiError(401, 'renewal_required', '', null))).toBe(true);
  expect(needsRenewal(new ApiError(401, 'unauthorized', '', null))).toBe(false);
  expect(needsRenewal(new Error('renewal_required'))).toBe(false);
});

test('the way back is a parameter of the address', () => {
  expect(providerAddress('/p/1?q=a b&c=d')).toBe('/auth/oidc/start?return=%2Fp%2F1%3Fq%3Da+b%26c%3Dd');
  expect(providerAddress('/', true)).toBe('/auth/oidc/start?return=%2F&prompt=none');
});
