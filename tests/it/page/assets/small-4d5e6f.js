export const sent = 'plain';
