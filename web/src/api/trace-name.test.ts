import { describe, expect, it } from 'vitest';
import { pipelineOf, traceName } from './trace-name';

const trace = { trace_id: '0123456789abcdef', name: 'GPT-3.5 Inference', op: 'gen_ai.chat', title: null, pipeline: 'GPT-3.5 Pipeline' };

describe('the name of a trace', () => {
  it('is the one it was given, never its pipeline', () => {
    expect(traceName(trace)).toBe('GPT-3.5 Inference');
    expect(traceName({ ...trace, title: 'GET /a/1' })).toBe('GET /a/1');
    expect(traceName({ ...trace, name: '' })).toBe('gen_ai.chat');
    expect(traceName({ ...trace, name: '', op: '' })).toBe('01234567');
  });

  it('has the pipeline beside it only where that is another word', () => {
    expect(pipelineOf(trace)).toBe('GPT-3.5 Pipeline');
    expect(pipelineOf({ ...trace, pipeline: 'GPT-3.5 Inference' })).toBe(null);
    expect(pipelineOf({ ...trace, pipeline: null })).toBe(null);
  });
});
