import { main } from '../dist/simulation/main.js';

await main(process.argv.slice(2));
