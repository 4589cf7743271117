/**
 * Privilege names that Elasticsearch documents. A newer Elasticsearch may have more, so an unknown name causes a warning
 * and never a refusal. Privilege names are case-insensitive in Elasticsearch.
 */
const clusterPrivileges: ReadonlySet<string> = new Set(
  `all none cancel_task manage manage_api_key manage_autoscaling manage_behavioral_analytics manage_connector
  manage_enrich manage_esql manage_index_templates manage_inference manage_ingest_pipelines manage_logstash_pipelines
  manage_ml manage_own_api_key manage_pipeline manage_project_routing manage_reindex manage_search_application
  manage_search_query_rules manage_search_synonyms manage_security manage_transform monitor monitor_connector
  monitor_enrich monitor_esql monitor_inference monitor_ml monitor_reindex monitor_transform
  post_behavioral_analytics_event read_pipeline read_project_routing read_security`.split(/\s+/),
);

const indexPrivileges: ReadonlySet<string> = new Set(
  `all none auto_configure create create_doc create_index create_view delete delete_index delete_view index
  maintenance manage manage_data_stream_lifecycle manage_failure_store manage_view monitor read read_failure_store
  read_view_metadata view_index_metadata write`.split(/\s+/),
);

/** This list is closed: Elasticsearch refuses other names for remote clusters. */
const remoteClusterPrivileges: ReadonlySet<string> = new Set(['monitor_enrich', 'monitor_stats']);

/** This list is closed too. */
const workflows: ReadonlySet<string> = new Set(['search_application_query']);

/** Returns true for an action pattern (`cluster:…`) too. */
export function isKnownClusterPrivilege(name: string): boolean {
  return name.startsWith('cluster:') || clusterPrivileges.has(name.toLowerCase());
}

/** Returns true for an action pattern (`indices:…`) too. */
export function isKnownIndexPrivilege(name: string): boolean {
  return name.startsWith('indices:') || indexPrivileges.has(name.toLowerCase());
}

export function isKnownRemoteClusterPrivilege(name: string): boolean {
  return remoteClusterPrivileges.has(name.toLowerCase());
}

export function isKnownWorkflow(name: string): boolean {
  return workflows.has(name);
}
