/** Why a text is not a credential. Only the text decides, without a lookup, so the reason leaks nothing about stored keys. */
export type DecodeFailure =
  | 'prefix'
  | 'base64'
  | 'checksum'
  | 'shape'
  | 'double_encoded'
  | 'double_encoded_with_id'
  | 'too_long';

/** Public sentences that say what to do next. They never repeat the input. */
export const decodeFailureMessage: Record<DecodeFailure, string> = {
  prefix:
    'The API key does not start with an accepted prefix. Send a unified API key as it was issued. Native Elasticsearch API keys and keys of another environment do not work here.',
  base64:
    'The API key is not valid base64 after its prefix. Copy the whole key again, with every "=" at its end, and send it unchanged.',
  checksum:
    'The checksum of the API key does not match: a character was lost or changed. Copy the whole key again and send it unchanged.',
  shape:
    'The content of the API key has no known layout. Send the key exactly as it was issued, or create a new one.',
  double_encoded:
    'The API key was base64-encoded a second time. Send it as it was issued: "Authorization: ApiKey <key>", without encoding it.',
  double_encoded_with_id:
    'The API key was joined to an id and base64-encoded, like a native Elasticsearch API key. Send only the key, as it was issued: "Authorization: ApiKey <key>".',
  too_long: 'The API key is longer than any issued key. Send only the key, as it was issued.',
};
