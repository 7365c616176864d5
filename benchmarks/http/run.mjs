import '../dist/http/main.js';
