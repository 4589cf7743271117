import { setTimeout as sleep } from 'node:timers/promises';
import { ready } from '../regional.ts';
import type { TcpProxy } from '../servers/tcp-proxy.ts';
import type { Churn } from './churn.ts';
import type { Effect } from './disturbances.ts';
import { type Fleet, type FleetPod, MAX_STALENESS_MS } from './fleet.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** A fault that a run injects. The effects are the promises of docs/failure-modes.md. */
export interface Fault {
  name: string;
  /** Whether it may happen while another fault lasts. */
  isLight: boolean;
  /** Injects it, waits, and ends it. */
  inject(): Promise<void>;
}

interface FaultOptions {
  fleet: Fleet;
  world: World;
  churn: Churn;
  random: Random;
}

/** A pod serves cached keys while it cannot read the replica. */
const CUT_OFF_MS = MAX_STALENESS_MS + 3_000;
/** A restart with crash recovery, and connections of a subscription or of a pod after it. */
const RECONNECTED_MS = 20_000;
/** After a loss of data, all rows are compared and differing buckets repaired within this time. */
const REPAIRED_WITHIN_MS = 120_000;
/** A difference is found within this time (docs/failure-modes.md). */
const FOUND_MS = 12_000;

/** Ways to break a link; each is undone by `restore`. */
const BREAKS: Readonly<Record<string, (link: TcpProxy) => unknown>> = {
  cut: (link) => link.cut(),
  'black hole': (link) => link.blackhole(),
  'half open, requests lost': (link) => link.halfOpen('toServer'),
  'half open, responses lost': (link) => link.halfOpen('toClient'),
  delay: (link) => link.delay(300),
  drip: (link) => link.drip(200),
};

/** Every fault once; `random` decides on pods and durations when a fault is injected. */
export function allFaults({ fleet, world, churn, random }: FaultOptions): Fault[] {
  const { disturbances } = world;
  const pickPod = (): [FleetPod, number] => {
    const index = random.integer(0, fleet.pods.length - 1);
    return [fleet.pods[index] as FleetPod, index];
  };
  const during = async (name: string, effect: Effect, work: () => Promise<unknown>): Promise<void> => {
    const end = disturbances.begin(name, effect);
    try {
      await work();
    } finally {
      end();
    }
  };
  const aWhile = () => sleep(random.integer(2_000, 10_000));

  const broken = (how: string, link: TcpProxy) => async () => {
    await BREAKS[how]?.(link);
    await aWhile();
    await link.restore();
  };
  const links = Object.keys(BREAKS).flatMap((how): Fault[] => [
    light(`control plane to primary: ${how}`, (name) =>
      during(
        name,
        { unknownUnavailable: true, recoveryMs: RECONNECTED_MS },
        broken(how, fleet.links.controlPlane),
      ),
    ),
    light(`region to primary: ${how}`, (name) =>
      during(
        name,
        { delays: 'all', unknownUnavailable: true, recoveryMs: RECONNECTED_MS },
        broken(how, fleet.links.region),
      ),
    ),
    light(`pod to replica: ${how}`, (name) => {
      const [pod, index] = pickPod();
      return during(
        name,
        { delays: index, maxDelayMs: CUT_OFF_MS, unavailable: index, recoveryMs: RECONNECTED_MS },
        broken(how, pod.links.replica),
      );
    }),
    // By the contract, a fault of Redis is not visible.
    light(`pod to Redis: ${how}`, (name) => {
      const [pod] = pickPod();
      return during(name, { recoveryMs: 0 }, broken(how, pod.links.redis));
    }),
    light(`client to pod: ${how}`, (name) => {
      const [pod, index] = pickPod();
      return during(name, { unanswered: index, recoveryMs: 1_000 }, broken(how, pod.links.clients));
    }),
  ]);

  const processes: Fault[] = [
    light('pod killed', async (name) => {
      const [{ service }, index] = pickPod();
      if (!service.isOffered) return;
      await during(name, { unanswered: index, unavailable: index, recoveryMs: 5_000 }, async () => {
        await service.current.kill();
        await sleep(random.integer(0, 2_000));
        await service.restart();
        await ready(service.current);
      });
    }),
    light('pod replaced', async (name) => {
      const [{ service }, index] = pickPod();
      if (!service.isOffered) return;
      service.isOffered = false;
      try {
        await during(name, { unavailable: index, recoveryMs: 1_000 }, async () => {
          // Requests are in flight now: all of them must be answered.
          await service.current.stop();
          await service.restart();
          await ready(service.current);
        });
      } finally {
        service.isOffered = true;
      }
    }),
    light('Redis killed', (name) =>
      during(name, { recoveryMs: 0 }, async () => {
        await fleet.redis.kill();
        await aWhile();
        await fleet.redis.restart();
      }),
    ),
    light('Redis paused', (name) =>
      during(name, { recoveryMs: 0 }, async () => {
        fleet.redis.pause();
        await aWhile();
        await fleet.redis.resume();
      }),
    ),
    light('control plane killed', (name) =>
      during(name, { unknownUnavailable: true, recoveryMs: RECONNECTED_MS }, async () => {
        await fleet.controlPlane.current.kill();
        await aWhile();
        await fleet.controlPlane.restart();
      }),
    ),
    ...[4_000, -4_000].map((offsetMs) =>
      light(`clock of a pod ${offsetMs} ms off`, (name) => {
        const [{ service }] = pickPod();
        return during(name, { recoveryMs: 0 }, () => shifted(service.current, offsetMs));
      }),
    ),
    ...[3_600_000, -600_000].map((offsetMs) =>
      light(`clock of a pod ${offsetMs} ms off`, (name) => {
        const [{ service }, index] = pickPod();
        return during(name, { unavailable: index, recoveryMs: 5_000 }, () =>
          shifted(service.current, offsetMs),
        );
      }),
    ),
  ];

  async function shifted({ setClock }: { setClock(offsetMs: number): Promise<void> }, offsetMs: number) {
    await setClock(offsetMs);
    await aWhile();
    await setClock(0);
  }

  const regionDown: Effect = { delays: 'all', unavailable: 'all', recoveryMs: RECONNECTED_MS };
  const primaryDown: Effect = { delays: 'all', unknownUnavailable: true, recoveryMs: RECONNECTED_MS };
  const afterLoss: Effect = {
    delays: 'all',
    unavailable: 'all',
    unknownUnavailable: true,
    recoveryMs: 5_000,
  };
  /** Resolves when the region follows the primary's new history, and no bucket has differed for a while. */
  async function repaired(): Promise<void> {
    const endsAtMs = Date.now() + REPAIRED_WITHIN_MS;
    let equalSinceMs = Date.now();
    while (Date.now() < equalSinceMs + FOUND_MS) {
      if (Date.now() > endsAtMs) throw new Error(`not repaired within ${REPAIRED_WITHIN_MS} ms`);
      if (!(await isEqual())) equalSinceMs = Date.now();
      await sleep(250);
    }
  }
  async function isEqual(): Promise<boolean> {
    const ofPrimary = (await fleet.onPrimary('SELECT epoch, counter FROM heartbeat')).rows[0];
    const ofRegion = (await fleet.onRegion('SELECT epoch, counter FROM heartbeat')).rows[0];
    const differing = await fleet.onRegion("SELECT FROM compared_buckets WHERE state <> 'matching'");
    return (
      differing.rowCount === 0 &&
      ofRegion?.epoch === ofPrimary?.epoch &&
      Number(ofRegion?.counter) > Number(ofPrimary?.counter) - 5
    );
  }
  const servers: Fault[] = [
    heavy('server of the region killed', (name) =>
      during(name, regionDown, async () => {
        await fleet.region.kill();
        await fleet.region.start();
      }),
    ),
    heavy('primary killed', (name) =>
      during(name, primaryDown, async () => {
        await fleet.primary.kill();
        await aWhile();
        await fleet.primary.start();
      }),
    ),
    heavy('region restored from an older copy', async (name) => {
      await during(`${name}: copied`, regionDown, () => fleet.region.save());
      await sleep(random.integer(5_000, 10_000));
      await during(name, afterLoss, async () => {
        await fleet.region.kill();
        await fleet.region.restoreSaved();
        await repaired();
      });
    }),
    heavy('primary restored from an older copy', async (name) => {
      const copiedAtMs = Date.now();
      await during(`${name}: copied`, primaryDown, () => fleet.primary.save());
      await sleep(random.integer(5_000, 10_000));
      await during(name, afterLoss, async () => {
        await churn.paused(async () => {
          await fleet.primary.kill();
          world.loseChangesSince(copiedAtMs);
          await fleet.primary.restoreSaved();
        });
        await repaired();
      });
    }),
    heavy('standby promoted without some transactions', (name) =>
      during(name, afterLoss, async () => {
        // Changes may be lost from some time after this moment on.
        const startedAtMs = Date.now();
        await fleet.promote(3_000, async (promote) =>
          churn.paused(async () => {
            world.loseChangesSince(startedAtMs);
            await promote();
          }),
        );
        await repaired();
      }),
    ),
  ];
  return [...links, ...processes, ...servers];
}

function light(name: string, inject: (name: string) => Promise<void>): Fault {
  return { name, isLight: true, inject: () => inject(name) };
}

function heavy(name: string, inject: (name: string) => Promise<void>): Fault {
  return { name, isLight: false, inject: () => inject(name) };
}
