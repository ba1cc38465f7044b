import { useSignOut } from "@/api/session";
import { toast } from "../feedback/toast";

export function useSignOutWithToast(): () => void {
  const signOut = useSignOut();
  return () =>
    signOut.mutate(undefined, {
      onError: (error) => toast.failure("You are still signed in", error),
    });
}
