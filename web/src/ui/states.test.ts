import { expect, test } from 'vitest';
import { said } from './states';

const french = (slug: string) => (slug === 'not-found' ? 'Cela n’existe pas.' : null);

test('a known refusal is said in the language of the page, with the words of the server below', () => {
  expect(said({ slug: 'not-found', message: 'there is no machine `x`' }, french)).toEqual({
    text: 'Cela n’existe pas.',
    original: 'There is no machine `x`.',
  });
});

test('what has no words is said as the server says it', () => {
  expect(said({ slug: 'new-one', message: 'no' }, french)).toEqual({ text: 'No.', original: null });
  expect(said({ message: 'no' }, french)).toEqual({ text: 'No.', original: null });
  expect(said(null, french)).toEqual({ text: '', original: null });
});
