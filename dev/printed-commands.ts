/**
 * Commands to paste into a shell in the project folder. Each stands alone: it reads the generated keys itself, and
 * none of them shows on the screen.
 */
export const printedCommands = `
Try it, in another terminal in this folder:

  # a region validates an API key and answers with Elasticsearch role descriptors
  . ./.iam/demo.env; curl -sS "$IAM_REGIONAL_URL/uiam/api/v1/authentication/_authenticate" -H "Authorization: ApiKey $IAM_DEMO_KEY" -H 'Content-Type: application/json' -d '{"contexts":[{"type":"project","project_id":"'$IAM_PROJECT_ID'","project_type":"'$IAM_PROJECT_TYPE'","project_organization_id":"'$IAM_ORGANIZATION_ID'"}]}'

  # a new key, made on the primary; the region knows it at once
  npx iam --env-file .iam/cli.env keys create --description "my key" --project elasticsearch:demo-project=developer

  # the end of a key, by its id
  npx iam --env-file .iam/cli.env keys revoke KEY_ID

  # what the regional service counts
  . ./.iam/demo.env; curl -sS "$IAM_MANAGEMENT_URL/metrics"
`;
