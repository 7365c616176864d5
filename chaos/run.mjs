import './dist/chaos/main.js';
