import * as Popover from '@radix-ui/react-popover';
import { useState } from 'react';
import { useT } from '../i18n';
import { Icon } from '../components/icons';
import { setPrefs, usePrefs, type Lang, type Theme } from '../prefs';
import { useLocale } from '../locale';
import { ZoneList } from './zone-picker';

/** What the bar of a phone has no room for: language, theme, zone and help. */
export function MoreMenu({ onHelp }: { onHelp: () => void }) {
  const t = useT();
  const { zone } = useLocale();
  const { lang, theme } = usePrefs();
  const [open, setOpen] = useState(false);
  const [zones, setZones] = useState(false);
  const close = () => {
    setOpen(false);
    setZones(false);
  };
  const LANGUAGES: [Lang, string][] = [
    ['en', 'English'],
    ['ja', '日本語'],
  ];
  const THEMES: [Theme, string][] = [
    ['system', t('bar.themeSystem')],
    ['light', t('bar.themeLight')],
    ['dark', t('bar.themeDark')],
  ];
  const row = (label: string, chosen: boolean, onClick: () => void) => (
    <button key={label} type="button" className={chosen ? 'menu-item is-selected' : 'menu-item'} aria-pressed={chosen} onClick={onClick}>
      <span className="menu-check">{chosen && <Icon name="check" size="tiny" />}</span>
      {label}
    </button>
  );
  return (
    <Popover.Root open={open} onOpenChange={(next) => (next ? setOpen(true) : close())}>
      <Popover.Trigger asChild>
        <button type="button" className="icon-button more-button" title={t('bar.more')} aria-label={t('bar.more')}>
          <Icon name="more" />
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="menu zone-menu" align="end" sideOffset={4} aria-label={t('bar.more')}>
          {zones ? (
            <ZoneList onDone={close} />
          ) : (
            <>
              <button type="button" className="menu-item" onClick={() => setZones(true)}>
                <span className="menu-check" />
                {t('bar.zone')}
                <span className="menu-item-end">{zone}</span>
              </button>
              <hr />
              {LANGUAGES.map(([value, label]) => row(label, lang === value, () => setPrefs({ lang: value })))}
              <hr />
              {THEMES.map(([value, label]) => row(label, theme === value, () => setPrefs({ theme: value })))}
              <hr />
              <button
                type="button"
                className="menu-item"
                onClick={() => {
                  close();
                  onHelp();
                }}
              >
                <span className="menu-check" />
                {t('bar.help')}
              </button>
            </>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
