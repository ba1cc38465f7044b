from stepiq.accounts.device_login import endpoints as device_login
from stepiq.accounts.oidc.http import PATH as OIDC_PATH
from stepiq.accounts.signing_in.endpoints import SESSION_PATH
from stepiq.server.ui import pages as ui

PUBLIC_PATHS = frozenset(
    {
        "/api/auth/register",
        "/api/auth/login",
        f"/api{SESSION_PATH}",
        "/api/auth/refresh",
        "/api/auth/forgot-password",
        "/api/auth/reset-password",
        "/api/auth/verify-email",
        "/api/invitations/open",
        "/api/auth/providers",
        f"/api{OIDC_PATH}/start",
        f"/api{OIDC_PATH}/callback",
        f"/api{device_login.PATH}",
        f"/api{device_login.PATH}/token",
        "/api/reviews/open",
        "/api/reviews/decide",
        "/api/run-links/open",
        "/api/recipients/confirm",
        "/api/recipients/refuse",
        "/api/schema/pipeline.json",
        "/api/schema/tests.json",
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs.md",
        "/docs/errors",
        "/docs/steps",
        "/docs/search",
        "/docs/{name}",
        "/llms.txt",
        "/llms-full.txt",
        *ui.PATHS,
    }
)
"""Paths that require no credential. A test fails if another route needs none."""
