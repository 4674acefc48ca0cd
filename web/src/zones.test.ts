import { expect, test } from 'vitest';
import { appSearchOf } from './search-params';
import { allZones, offsetText, searchZones, zoneParam } from './zones';

const ZONES = ['America/New_York', 'America/St_Johns', 'Asia/Tokyo', 'Europe/Paris'];
const OFFSETS: Record<string, string> = {
  'America/New_York': '−05:00',
  'America/St_Johns': '−03:30',
  'Asia/Tokyo': '+09:00',
  'Europe/Paris': '+01:00',
};
const find = (typed: string) => searchZones(typed, ZONES, (zone) => OFFSETS[zone]!);

test('a zone is found by its city, by a part of its name, and by its offset', () => {
  expect(find('new york')).toEqual(['America/New_York']);
  expect(find('america')).toEqual(['America/New_York', 'America/St_Johns']);
  expect(find('+9')).toEqual(['Asia/Tokyo']);
  expect(find('-03:30')).toEqual(['America/St_Johns']);
  expect(find('nowhere')).toEqual([]);
  expect(find('')).toEqual(ZONES);
});

test('the address bar takes any zone that there is, and no other', () => {
  expect(appSearchOf({ tz: 'utc' })).toEqual({ tz: 'utc' });
  expect(appSearchOf({ tz: 'Asia/Tokyo' })).toEqual({ tz: 'Asia/Tokyo' });
  expect(appSearchOf({ tz: 'asia/tokyo' })).toEqual({ tz: 'Asia/Tokyo' });
  expect(appSearchOf({ tz: 'Mars/Olympus' })).toEqual({});
  expect(zoneParam(undefined)).toBeUndefined();
  expect(allZones()).toContain('Asia/Tokyo');
});

test('an offset is written with its sign, hours and minutes', () => {
  expect([offsetText(0), offsetText(-12_600_000), offsetText(32_400_000)]).toEqual(['+00:00', '−03:30', '+09:00']);
});
