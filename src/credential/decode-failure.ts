/** Why a text is not a credential. Decided from the text alone: nothing is looked up, so nothing leaks. */
export type DecodeFailure =
  | 'prefix'
  | 'base64'
  | 'checksum'
  | 'shape'
  | 'double_encoded'
  | 'double_encoded_with_id'
  | 'too_long';

/** Public sentences, one per failure, that say what to do next. They never repeat the input. */
export const decodeFailureMessage: Record<DecodeFailure, string> = {
  prefix:
    'The API key does not start with a prefix that is accepted here. Send a unified API key as it was issued (keys that one Elasticsearch cluster issued, and keys of another environment, do not work here).',
  base64:
    'The API key is not valid base64 after its prefix. Copy the whole key again, with every "=" at its end, and send it unchanged.',
  checksum:
    'The checksum of the API key does not match: a character was lost or changed. Copy the whole key again and send it unchanged.',
  shape:
    'The API key decodes, but its content has no known layout. Send the key exactly as it was issued, or create a new one.',
  double_encoded:
    'The API key was base64-encoded a second time. Send it as it was issued: "Authorization: ApiKey <key>", without encoding it.',
  double_encoded_with_id:
    'The API key was joined to an id and base64-encoded, as for a native Elasticsearch API key. Send the key alone, as it was issued: "Authorization: ApiKey <key>".',
  too_long: 'The API key is longer than any key that was ever issued. Send the key alone, as it was issued.',
};
