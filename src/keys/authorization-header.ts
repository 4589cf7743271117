import { type Credential, decodeCredential, decodeFailureMessage } from '../credential/format.ts';
import { IamError } from '../errors.ts';

/**
 * Decodes the credential of an `Authorization` header, without a look at any key.
 * @throws {IamError} 401 with the reason
 */
export function decodeAuthorization(
  authorization: string | undefined,
  acceptedPrefixes: readonly string[],
): Credential {
  if (authorization === undefined || authorization === '') {
    throw new IamError('CREDENTIAL_UNDECODABLE', {
      message: 'The Authorization header is missing. Send "Authorization: ApiKey <credential>".',
    });
  }
  const space = authorization.indexOf(' ');
  const scheme = space < 0 ? authorization : authorization.slice(0, space);
  if (scheme !== 'ApiKey' && scheme.toLowerCase() !== 'apikey')
    throw new IamError('CREDENTIAL_UNDECODABLE', { message: schemeRefusal(scheme) });
  const decoded = decodeCredential(space < 0 ? '' : authorization.slice(space + 1).trim(), acceptedPrefixes);
  if (!decoded.ok)
    throw new IamError('CREDENTIAL_UNDECODABLE', { message: decodeFailureMessage[decoded.reason] });
  return decoded.credential;
}

function schemeRefusal(scheme: string): string {
  if (scheme.toLowerCase() === 'bearer') {
    return 'Bearer tokens are not accepted here. Send "Authorization: ApiKey <credential>".';
  }
  return 'The Authorization scheme is not ApiKey. Send "Authorization: ApiKey <credential>".';
}
