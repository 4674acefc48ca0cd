import { useContext, useState } from 'react';
import { addressOf } from '../../api/client';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { useProjectOrNull } from '../../project';
import { Icon } from '../icons';
import { MediaAddressContext } from './media-address';

/** Kinds of picture that cannot carry a script. */
const IMAGE_TYPE = /^data:image\/(png|jpeg|gif|webp|avif);base64,/;

interface MediaPartProps {
  modality: string;
  mime: string | null;
  mediaId: string | null;
  content: string | null;
}

/** An image, audio, video or file of a message. */
export function MediaPart({ modality, mime, mediaId, content }: MediaPartProps) {
  if (mediaId !== null) return <StoredMedia mediaId={mediaId} kind={mime ?? modality} />;
  if (content === null) return <MissingMedia kind={mime ?? modality} />;
  return <SentMedia kind={mime ?? modality} content={content} />;
}

/** Bytes that the server stores. It decides by the bytes whether a browser may show them; otherwise only the link remains. */
function StoredMedia({ mediaId, kind }: { mediaId: string; kind: string }) {
  const addressFor = useContext(MediaAddressContext);
  if (addressFor !== null) return <MediaAt href={addressFor(mediaId)} mediaId={mediaId} kind={kind} />;
  return <ProjectMedia mediaId={mediaId} kind={kind} />;
}

function ProjectMedia({ mediaId, kind }: { mediaId: string; kind: string }) {
  const project = useProjectOrNull();
  if (!project) return <MissingMedia kind={kind} />;
  const href = addressOf('/api/v1/projects/{project}/media/{media_id}', { project: project.id, media_id: mediaId });
  return <MediaAt href={href} mediaId={mediaId} kind={kind} />;
}

function MediaAt({ href, mediaId, kind }: { href: string; mediaId: string; kind: string }) {
  const t = useT();
  const [broken, setBroken] = useState(false);
  if (/^image\//.test(kind) && !broken) {
    const picture = (
      <img className="message-image" loading="lazy" src={href} alt={t('text.image', { kind })} onError={() => setBroken(true)} />
    );
    return (
      <a href={href} target="_blank" rel="noopener">
        {picture}
      </a>
    );
  }
  return (
    <div className="message-stored-media">
      {!broken && <MediaPlayer kind={kind} href={href} onBroken={() => setBroken(true)} />}
      <a className="message-media text-link" href={href} download={mediaId}>
        <Icon name="down" size="small" />
        {t('text.download', { kind })}
      </a>
    </div>
  );
}

/** A player; nothing for other kinds. What programs send has no captions. */
function MediaPlayer({ kind, href, onBroken }: { kind: string; href: string; onBroken: () => void }) {
  const t = useT();
  if (/^audio\//.test(kind)) {
    // oxlint-disable-next-line jsx-a11y/media-has-caption
    return <audio controls preload="none" src={href} aria-label={t('text.audio', { kind })} onError={onBroken} />;
  }
  if (/^video\//.test(kind)) {
    // oxlint-disable-next-line jsx-a11y/media-has-caption
    return <video controls preload="none" src={href} aria-label={t('text.video', { kind })} onError={onBroken} />;
  }
  return null;
}

function MissingMedia({ kind }: { kind: string }) {
  const t = useT();
  return (
    <p className="message-media">
      <b>{kind}</b>
      <span className="text-dim">{t('text.mediaMissing')}</span>
    </p>
  );
}

/** A picture within the message is shown; one at an address is named and not fetched: looking at a trace asks nobody for anything. */
function SentMedia({ kind, content }: { kind: string; content: string }) {
  const t = useT();
  const { format } = useLocale();
  const [broken, setBroken] = useState(false);
  if (IMAGE_TYPE.test(content) && !broken) {
    return <img className="message-image" src={content} alt={t('text.image', { kind })} onError={() => setBroken(true)} />;
  }
  const data = /^data:/.test(content) || content.length > 600;
  const web = /^https?:\/\//i.test(content) && !data;
  return (
    <p className="message-media">
      <Icon name="open" size="small" />
      <b>{kind}</b>
      {web ? (
        <a className="text-link ellipsis" href={content} target="_blank" rel="noopener noreferrer nofollow" title={t('text.notFetched')}>
          {content}
        </a>
      ) : (
        <span className="text-dim ellipsis">{data ? t('text.bytes', { n: format.count(content.length) }) : content}</span>
      )}
    </p>
  );
}
