import { findRedisServer } from '../../scripts/redis-server.mjs';
import { main } from '../dist/store/main.js';

await main(process.argv.slice(2), findRedisServer());
