import { fileURLToPath } from "node:url";
import { tanstackRouter } from "@tanstack/router-plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.STEPIQ_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [tanstackRouter(), react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  // The server replaces the placeholder with a new nonce in each response.
  html: { cspNonce: "__CSP_NONCE__" },
  build: {
    outDir: "../src/stepiq/server/ui/dist",
    emptyOutDir: true,
    manifest: true,
    // The CSP permits no data: URLs for fonts.
    assetsInlineLimit: 0,
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    target: ["chrome123", "firefox121", "safari17.5"],
  },
  server: {
    proxy: {
      "^/(api|docs|openapi.json|health|ready)(/|$)": {
        target: server,
        changeOrigin: true,
        // With a session, the pages of /docs are pages of the app.
        bypass: ({ url, headers }) =>
          url?.startsWith("/docs") &&
          !url.includes("plain") &&
          headers.accept?.includes("text/html")
            ? url
            : undefined,
        // The server accepts changes from its own origin only.
        configure: (proxy) => {
          proxy.on("proxyReq", (request) => {
            if (request.hasHeader("origin")) request.setHeader("origin", server);
          });
        },
      },
    },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
});
