/**
 * Commands to paste into a shell in the project folder. Each command reads the generated keys from .iam/ itself, so no
 * key appears on the screen.
 */
export const printedCommands = `
Try it, in another terminal in this folder:

  # authenticate an API key in the region; the response has Elasticsearch role descriptors
  . ./.iam/demo.env; curl -sS "$IAM_REGIONAL_URL/uiam/api/v1/authentication/_authenticate" -H "Authorization: ApiKey $IAM_DEMO_KEY" -H 'Content-Type: application/json' -d '{"contexts":[{"type":"project","project_id":"'$IAM_PROJECT_ID'","project_type":"'$IAM_PROJECT_TYPE'","project_organization_id":"'$IAM_ORGANIZATION_ID'"}]}'

  # create a key on the primary; the region accepts it within milliseconds
  npx iam --settings .iam/cli.env keys create --description "my key" --project elasticsearch:demo-project=developer

  # revoke a key by its id
  npx iam --settings .iam/cli.env keys revoke KEY_ID

  # show the metrics of the regional service
  . ./.iam/demo.env; curl -sS "$IAM_MANAGEMENT_URL/metrics"
`;
