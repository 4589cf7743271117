/** With a call that it forwards, a region authenticates itself and states the address of its client. */
export const FORWARDING_SECRET_HEADER = 'x-iam-forwarding-secret';
export const CLIENT_ADDRESS_HEADER = 'x-iam-client-address';
