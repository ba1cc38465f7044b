import { type AdminUserDetail, useChangeUser, useResetTwoFactor } from "@/api/adminUsers";
import ConfirmModal from "@/ui/feedback/ConfirmModal";
import { toast } from "@/ui/feedback/toast";
import { DeleteUser } from "./DeleteUser";
import { ResetPassword } from "./ResetPassword";
import { strings } from "./strings";

/** What an administrator wants to do with an account. */
export type Asked =
  | "disable"
  | "enable"
  | "verify"
  | "makeAdmin"
  | "unmakeAdmin"
  | "reset"
  | "turnOffTwoFactor"
  | "delete";

type Props = { asked: Asked; user: AdminUserDetail; onClose: () => void };

/** The question before a change of an account. */
export default function UserDialogs({ asked, user, onClose }: Props) {
  if (asked === "reset") return <ResetPassword user={user} onClose={onClose} />;
  if (asked === "delete") return <DeleteUser user={user} onClose={onClose} />;
  return <Change asked={asked} user={user} onClose={onClose} />;
}

type Change = keyof typeof CHANGES | "turnOffTwoFactor";

const CHANGES = {
  disable: { disabled: true },
  enable: { disabled: false },
  verify: { email_verified: true },
  makeAdmin: { is_admin: true },
  unmakeAdmin: { is_admin: false },
} as const;

function textsOf(asked: Change, email: string) {
  switch (asked) {
    case "disable":
      return [strings.disableQuestion(email), strings.disableText, strings.disable] as const;
    case "enable":
      return [strings.enableQuestion(email), strings.enableText, strings.enable] as const;
    case "verify":
      return [strings.verifyQuestion(email), strings.verifyText, strings.verify] as const;
    case "makeAdmin":
      return [strings.makeAdminQuestion(email), strings.makeAdminText, strings.makeAdmin] as const;
    case "turnOffTwoFactor":
      return [
        strings.turnOffTwoFactorQuestion(email),
        strings.turnOffTwoFactorText,
        strings.turnOffTwoFactor,
      ] as const;
    case "unmakeAdmin":
      return [
        strings.unmakeAdminQuestion(email),
        strings.unmakeAdminText,
        strings.unmakeAdmin,
      ] as const;
  }
}

function Change({ asked, user, onClose }: Props & { asked: Change }) {
  const change = useChangeUser();
  const reset = useResetTwoFactor();
  const callbacks = {
    onSuccess: () => toast.success(strings.changed(user.email)),
    onError: (error: unknown) => toast.failure(strings.notChanged(user.email), error),
    onSettled: onClose,
  };
  const confirm = () =>
    asked === "turnOffTwoFactor"
      ? reset.mutate(user.id, callbacks)
      : change.mutate({ id: user.id, ...CHANGES[asked] }, callbacks);
  const [title, text, action] = textsOf(asked, user.email);
  return (
    <ConfirmModal
      isOpen
      title={title}
      action={action}
      isPending={change.isPending || reset.isPending}
      onClose={onClose}
      onConfirm={confirm}
    >
      {text}
    </ConfirmModal>
  );
}
