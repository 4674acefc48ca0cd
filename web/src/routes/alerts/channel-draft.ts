import type { Address, Language, Channel, ChannelDraft, ChannelKind } from '../../api/types';

/** A channel as the form holds it: texts, whatever the kind. */
export interface ChannelForm {
  name: string;
  kind: ChannelKind;
  language: Language | '';
  disabled: boolean;
  secret: string;
  host: string;
  port: string;
  security: 'tls' | 'starttls' | 'none';
  username: string;
  from: string;
  to: string;
  url: string;
  endpoint: string;
}

export const EMPTY_CHANNEL: ChannelForm = {
  name: '',
  kind: 'email',
  language: '',
  disabled: false,
  secret: '',
  host: '',
  port: '',
  security: 'starttls',
  username: '',
  from: '',
  to: '',
  url: '',
  endpoint: '',
};

export function formOf(channel: Channel): ChannelForm {
  const { name, language, disabled, address } = channel;
  const form = { ...EMPTY_CHANNEL, name, kind: address.kind, language: language ?? ('' as const), disabled };
  switch (address.kind) {
    case 'email':
      return {
        ...form,
        host: address.host,
        port: address.port?.toString() ?? '',
        security: address.security,
        username: address.username ?? '',
        from: address.from,
        to: address.to.join(', '),
      };
    case 'webhook':
      return { ...form, url: address.url };
    case 'pagerduty':
      return { ...form, endpoint: address.endpoint ?? '' };
    default:
      return form;
  }
}

/** What the server is asked to keep. It says what is wrong with it. */
export function draftOfForm(form: ChannelForm): ChannelDraft {
  const { name, language, disabled, secret } = form;
  return {
    name: name.trim(),
    language: language || null,
    disabled,
    address: addressOf(form),
    ...(secret.trim() && { secret: secret.trim() }),
  };
}

/** The host of the server, as the setting `notify.allow` names one that is at a private address. */
export function hostInForm(form: ChannelForm): string {
  if (form.kind === 'email') return asAddress(form.host.trim());
  const url = form.kind === 'webhook' ? form.url : form.kind === 'pagerduty' ? form.endpoint : form.secret;
  return URL.canParse(url.trim()) ? asAddress(new URL(url.trim()).hostname) : '';
}

function asAddress(host: string): string {
  return host.toLowerCase() === 'localhost' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '');
}

function addressOf(form: ChannelForm): Address {
  switch (form.kind) {
    case 'email': {
      const port = Number(form.port);
      return {
        kind: 'email',
        host: form.host.trim(),
        ...(form.port.trim() && Number.isInteger(port) && { port }),
        security: form.security,
        ...(form.username.trim() && { username: form.username.trim() }),
        from: form.from.trim(),
        to: form.to
          .split(/[,;\n]/)
          .map((one) => one.trim())
          .filter(Boolean),
      };
    }
    case 'webhook':
      return { kind: 'webhook', url: form.url.trim() };
    case 'pagerduty':
      return { kind: 'pagerduty', ...(form.endpoint.trim() && { endpoint: form.endpoint.trim() }) };
    default:
      return { kind: form.kind };
  }
}
