# The image of both servers and of the command line; Node runs the TypeScript as it is, so nothing is built.
FROM node:24-slim AS dependencies
WORKDIR /srv/iam
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

FROM node:24-slim
WORKDIR /srv/iam
COPY --from=dependencies /srv/iam/node_modules ./node_modules
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY src ./src
# Compiled code for quick starts (src/main.ts); it is read, never written, at run time.
RUN node src/main.ts regional --help && node src/main.ts control-plane --help
# Nothing in the image is written at run time: it also runs with a read-only root file system.
USER node
# A container is reached from outside of itself. UV_THREADPOOL_SIZE need not be set: the process sizes its thread pool
# by ARGON2_CONCURRENCY, and that by the processors it may use.
ENV NODE_ENV=production \
    HOST=0.0.0.0
EXPOSE 8080 8081 9090
# As PID 1 the process gets SIGTERM itself and stops in order. Probes are HTTP (/livez, /readyz, /startupz on 9090),
# so there is no HEALTHCHECK.
ENTRYPOINT ["node", "src/main.ts"]
CMD ["regional"]
