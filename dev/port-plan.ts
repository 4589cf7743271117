import type { NamedPort } from './ports.ts';

/** Every port of the development topology. */
export interface PortPlan {
  regional: number;
  controlPlane: number;
  primary: number;
  region: number;
  redis: number;
  regionalManagement: number;
  controlPlaneManagement: number;
}

/** All ports follow from one: 8080 gives 8080 to 8084, and 9090, 9091 for management. */
export function portPlan(base: number): PortPlan {
  return {
    regional: base,
    controlPlane: base + 1,
    primary: base + 2,
    region: base + 3,
    redis: base + 4,
    regionalManagement: base + 1010,
    controlPlaneManagement: base + 1011,
  };
}

/** What has to be free before anything starts. */
export function wantedPorts(plan: PortPlan, withRedis: boolean): NamedPort[] {
  return [
    { name: 'regional service', port: plan.regional },
    { name: 'control plane', port: plan.controlPlane },
    { name: 'primary Postgres', port: plan.primary },
    { name: 'regional Postgres', port: plan.region },
    ...(withRedis ? [{ name: 'Redis', port: plan.redis }] : []),
    { name: 'management of the regional service', port: plan.regionalManagement },
    { name: 'management of the control plane', port: plan.controlPlaneManagement },
  ];
}
