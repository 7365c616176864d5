# The gateway as a container: docker build -t headgate . (docs/operations/deploy.md says how it is run).
FROM node:24-bookworm-slim AS build
ENV CI=true
WORKDIR /source
COPY . .
# What it needs to run, and nothing else, in one folder.
RUN npm run build && npx --yes pnpm@12.21.0 --filter @headgate/gateway deploy --prod /app

FROM node:24-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /app /app
WORKDIR /app
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# It is the first process of its container, and so gets SIGTERM and SIGHUP itself.
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve", "--config", "/etc/headgate/headgate.yaml", "--host", "0.0.0.0", "--port", "8080"]
