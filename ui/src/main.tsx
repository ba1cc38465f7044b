import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "./ui/theme/mantine.css";
import "./ui/theme/tokens.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { setOnSignedOut, setOnWorkspaceLost, setReadSession } from "./api/client";
import { queryClient } from "./api/queryClient";
import { hasSessionEnded, sessionEnded, sessionQuery } from "./api/session";
import { rememberWorkspaceOnFocus } from "./api/workspace";
import { router } from "./router";
import { cspNonce, registerNonce } from "./ui/theme/csp";
import { cssVariables, theme } from "./ui/theme/theme";

registerNonce();
setReadSession(() => queryClient.fetchQuery({ ...sessionQuery, staleTime: 0 }));
// The shell then redirects to the sign-in page, which returns to the address.
setOnSignedOut(() => {
  sessionEnded();
  queryClient.setQueryData(sessionQuery.queryKey, null);
});
// The session is read again, which leads to another workspace. Nothing of the lost one remains in memory.
setOnWorkspaceLost(() => window.location.assign("/"));
rememberWorkspaceOnFocus(hasSessionEnded);

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root.");
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      getStyleNonce={cspNonce}
    >
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
      <Notifications position="bottom-right" limit={5} />
    </MantineProvider>
  </StrictMode>,
);
