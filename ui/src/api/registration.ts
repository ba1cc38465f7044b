import { useMutation } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

type Registration = components["schemas"]["Registration"];
type NewPassword = components["schemas"]["NewPassword"];

export function useRegister() {
  return useMutation({
    mutationFn: (body: Registration) => unwrap(api.POST("/api/auth/register", { body })),
  });
}

export function useForgotPassword() {
  return useMutation({
    mutationFn: (email: string) =>
      unwrap(api.POST("/api/auth/forgot-password", { body: { email } })),
  });
}

export function useResetPassword() {
  return useMutation({
    mutationFn: (body: NewPassword) => unwrap(api.POST("/api/auth/reset-password", { body })),
  });
}

export function useVerifyEmail() {
  return useMutation({
    mutationFn: (token: string) => unwrap(api.POST("/api/auth/verify-email", { body: { token } })),
  });
}
