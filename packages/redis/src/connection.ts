/**
 * The store's own connection, made from the client it was given. Its settings decide what happens to a decision when Redis is
 * slow or gone, and an application's client is rightly set otherwise: nothing is queued while there is no connection, nothing
 * is sent twice, a connection that has fallen silent is given up, and a new one is tried soon.
 */
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';

/** A client of ioredis 5 or 6. It is only read for its options and never used. */
export type RedisClient = Redis | Cluster;

const connectMsMax = 2_000;
/** When a node of a Cluster that answers nothing is given up, ms. */
const nodeSilenceMs = 2_000;
const retryMsMin = 50;
const retryMsMax = 500;

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster;
}

/** Not connected yet, and quiet about errors: whoever uses it sees each command fail. */
export function connectionLike(client: RedisClient, random: () => number): RedisClient {
  // Soon, but not all processes in the same instant.
  const retryAfter = (times: number): number => Math.min(retryMsMax, retryMsMin * times) * (0.5 + random() / 2);
  const own = isCluster(client)
    ? client.duplicate([], clusterOptions(client, retryAfter))
    : client.duplicate({ ...nodeOptions(client.options), lazyConnect: true, retryStrategy: retryAfter });
  own.on('error', () => {});
  return own;
}

function nodeOptions({ connectTimeout = connectMsMax }: RedisOptions) {
  return {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    enableReadyCheck: true,
    readOnly: false,
    connectTimeout: Math.min(connectTimeout, connectMsMax),
    // A connection that is given up is not waited for.
    disconnectTimeout: 100,
    // A master that became a replica: what is behind the address now is asked again.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  };
}

function clusterOptions(client: Cluster, retryAfter: (times: number) => number) {
  const given: NonNullable<ClusterOptions['redisOptions']> = client.options.redisOptions ?? {};
  return {
    lazyConnect: true,
    // Connections to its nodes are made when they are first needed, and what needs one waits for it.
    enableOfflineQueue: true,
    enableAutoPipelining: false,
    scaleReads: 'master' as const,
    clusterRetryStrategy: retryAfter,
    slotsRefreshTimeout: connectMsMax,
    slotsRefreshInterval: connectMsMax,
    // A connection that closes may have done what it was asked before: that is never asked again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    redisOptions: { ...given, ...nodeOptions(given), socketTimeout: nodeSilenceMs } as ReturnType<typeof nodeOptions>,
  };
}
