/** nginx as it is set up in front of a model: least_conn, limit_req, kept connections, nothing buffered, an access log. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Its version, or undefined when it is not installed. */
export function findNginx(): string | undefined {
  const { stderr, status } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  return status === 0 ? /nginx\/(\S+)/.exec(stderr)?.[1] : undefined;
}

/** Writes the configuration into the folder; one worker, because every other contestant is one process too. */
export function nginxConfiguration(folder: string, port: number, backendPort: number): string {
  const file = join(folder, 'nginx.conf');
  const isRoot = process.getuid?.() === 0;
  writeFileSync(
    file,
    `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${folder}/nginx.pid; error_log stderr crit;
${isRoot ? 'user root;' : ''}
events { worker_connections 20000; }
http {
  access_log ${folder}/nginx-access.log;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  limit_req_zone $binary_remote_addr zone=each:10m rate=1000000r/s;
  upstream models { least_conn; server 127.0.0.1:${backendPort}; keepalive 1000; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    location / {
      limit_req zone=each burst=1000000 nodelay;
      proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering on; proxy_read_timeout 600s;
    }
  }
}
`,
  );
  return file;
}
