import { main } from '../dist/estimator/main.js';

await main(process.argv.slice(2));
