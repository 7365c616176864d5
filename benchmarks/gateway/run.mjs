import '../dist/gateway/main.js';
