import { expect, test } from 'vitest';
import { feedbackSnippet } from './feedback-step';

test('the snippet names server, project and public key', () => {
  const code = feedbackSnippet('https://0123456789abcdef0123456789abcdef@llm.example.com:8119/7', 7);
  expect(code).toContain("fetch('https://llm.example.com:8119/api/v1/projects/7/feedback'");
  expect(code).toContain("'x-hinomi-key': '0123456789abcdef0123456789abcdef'");
});
