// `npm run bench:micro`: builds first, then comes here. Everything else is TypeScript, compiled to dist.
import { main } from '../dist/micro/main.js';

await main(process.argv.slice(2));
