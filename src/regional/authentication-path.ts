/** Path of the call that Elasticsearch makes. */
export const AUTHENTICATE_PATH = '/uiam/api/v1/authentication/_authenticate';
