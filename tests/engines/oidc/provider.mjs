// The real oidc-provider on loopback, for tests: its library's address, its port and the time it lends a token come by
// the environment. Its own development pages ask for login and consent; any login is let in.
import { createServer } from 'node:http';

const { default: Provider } = await import(process.env.OIDC_LIBRARY);
const port = Number(process.env.OIDC_PORT);

const device = {
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  response_types: [],
  redirect_uris: [],
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'hub',
      client_secret: 'a secret: of + the hub',
      redirect_uris: ['http://testserver/v1/sign-in/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
    { client_id: 'suanlian-cli', ...device },
    { client_id: 'another-app', ...device },
  ],
  features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  claims: { openid: ['sub'], profile: ['name'] },
  conformIdTokenClaims: false,
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: `Name of ${id}` }) }),
  cookies: { keys: ['of a test'] },
  ttl: { Session: 600, Interaction: 600, Grant: 600, IdToken: 300, AccessToken: 300, RefreshToken: 600, DeviceCode: 300 },
});
createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('listening'));
