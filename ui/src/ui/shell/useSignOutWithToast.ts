import { useSignOut } from "@/api/session";
import { toast } from "../feedback/toast";
import { mayLeave } from "./signOutChecks";

export function useSignOutWithToast(): () => void {
  const signOut = useSignOut();
  return async () => {
    if (!(await mayLeave("sign-out"))) return;
    signOut.mutate(undefined, {
      onError: (error) => toast.failure("You are still signed in", error),
    });
  };
}
