# Image of both services and the CLI. Node runs the TypeScript directly, so there is no build step.
# Base images are pinned by digest: a build next year starts from the same bytes. A new Node.js needs a new tag and digest here.
FROM node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS dependencies
WORKDIR /srv/iam
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

FROM node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
WORKDIR /srv/iam
COPY --from=dependencies /srv/iam/node_modules ./node_modules
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY src ./src
# Compiled code for quick starts (src/main.js): both servers are run once, without a database. Node keeps the code by user,
# so it is made by the one who runs the image, and then given to root: it is read, never written, at run time.
RUN mkdir node_modules/.cache && chown node node_modules/.cache \
  && once='setpriv --reuid=node --regid=node --init-groups timeout --preserve-status 5 node src/main.js' \
  && LOG_LEVEL=silent REPLICA_DATABASE_URL=postgres://127.0.0.1:1/none $once regional \
  && LOG_LEVEL=silent PRIMARY_DATABASE_URL=postgres://127.0.0.1:1/none $once control-plane \
  && chown -R root:root node_modules/.cache
# The process writes no files, so the image also runs with a read-only root file system.
USER node
# A container is reached from outside of itself. UV_THREADPOOL_SIZE need not be set: the process sizes its thread pool
# by ARGON2_CONCURRENCY, and that by the processors it may use.
ENV NODE_ENV=production \
    HOST=0.0.0.0
EXPOSE 8080 8081 9090
# As PID 1 the process receives SIGTERM and shuts down gracefully. Probes are HTTP (/livez, /readyz, /startupz on 9090), so there
# is no HEALTHCHECK. Port 9090 listens on loopback until MANAGEMENT_HOST names another address.
ENTRYPOINT ["node", "src/main.js"]
CMD ["regional"]
