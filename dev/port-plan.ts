import type { NamedPort } from './ports.ts';

/** Every port of the local stack. */
export interface PortPlan {
  regional: number;
  controlPlane: number;
  primary: number;
  region: number;
  redis: number;
  regionalManagement: number;
  controlPlaneManagement: number;
}

/** Derives all ports from one: 8080 gives 8080 to 8084, and 9090 and 9091 for management. */
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

/** Lists the ports that must be free before the start. */
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
