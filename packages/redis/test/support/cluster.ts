/** A Redis Cluster of three masters, each with a third of the slots. */
import { Redis } from 'ioredis';
import { patienceMs } from '../../../../test/support/patience.js';
import { busOffset } from './ports.js';
import { RedisServer } from './redis-server.js';

const slots = 16_384;

export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(): Promise<RedisCluster> {
    const config = {
      'cluster-enabled': 'yes',
      'cluster-config-file': 'nodes.conf',
      // Nodes that all stood still with their machine do not take each other for gone.
      'cluster-node-timeout': '10000',
      // What a lost node does not hold goes on.
      'cluster-require-full-coverage': 'no',
    };
    const nodes = await Promise.all([1, 2, 3].map(() => RedisServer.start({ config })));
    const clients = nodes.map((node) => new Redis(node.port, '127.0.0.1'));
    try {
      await introduce(nodes, clients);
    } finally {
      for (const client of clients) client.disconnect();
    }
    return new RedisCluster(nodes);
  }

  get startupNodes(): { readonly host: string; readonly port: number }[] {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  stop(): void {
    for (const node of this.nodes) node.stop();
  }
}

async function introduce(nodes: readonly RedisServer[], clients: readonly Redis[]): Promise<void> {
  const share = Math.ceil(slots / nodes.length);
  for (const [index, client] of clients.entries()) {
    const own = Array.from({ length: share }, (_, i) => index * share + i).filter((slot) => slot < slots);
    await client.call('CLUSTER', 'ADDSLOTS', ...own);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  }
  for (const { port } of nodes) await clients[0]!.call('CLUSTER', 'MEET', '127.0.0.1', port, port + busOffset);
  const until = Date.now() + patienceMs;
  // Without full coverage a node calls its Cluster well before it knows who has which slots, and a client that asked it then would miss a node.
  const agrees = async (client: Redis): Promise<boolean> => {
    const info = String(await client.call('CLUSTER', 'INFO'));
    return [`cluster_known_nodes:${nodes.length}`, `cluster_slots_assigned:${slots}`, 'cluster_state:ok'].every(
      (fact) => info.includes(`${fact}\r\n`),
    );
  };
  while (!(await Promise.all(clients.map(agrees))).every(Boolean)) {
    if (Date.now() > until) throw new Error('the Cluster did not come together');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
