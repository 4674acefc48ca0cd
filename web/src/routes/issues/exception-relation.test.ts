import { expect, it } from 'vitest';
import { exceptionRelation } from './exception-relation';
import { sampleException, sampleMechanism } from './sample-event';

it('tells causes from what was being handled', () => {
  const chain = [
    sampleException({ mechanism: sampleMechanism({ source: '__context__', exception_id: 2, parent_id: 1 }) }),
    sampleException({ mechanism: sampleMechanism({ source: '__cause__', exception_id: 1, parent_id: 0 }) }),
    sampleException(),
  ];
  expect(chain.map((_, at) => exceptionRelation(chain, at).kind)).toEqual(['context', 'cause', 'raised']);
});

it('names the group of an exception', () => {
  const group = sampleException({ type: 'ExceptionGroup', mechanism: sampleMechanism({ exception_id: 0, is_exception_group: true }) });
  const member = sampleException({ mechanism: sampleMechanism({ exception_id: 1, parent_id: 0, source: 'exceptions[0]' }) });
  expect(exceptionRelation([member, group], 0)).toEqual({ kind: 'member', group: 'ExceptionGroup', place: 'exceptions[0]' });
});

it('takes an older exception without a mechanism as a cause', () => {
  expect(exceptionRelation([sampleException(), sampleException()], 0)).toEqual({ kind: 'cause' });
});
