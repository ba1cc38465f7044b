import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import type { DraftSession } from "./draftSession";
import { strings } from "./strings";

type Props = {
  session: DraftSession;
  isNew: boolean;
  isOpen: boolean;
  onClose: () => void;
  /** After the draft of a pipeline that was never saved is deleted. */
  onGone: () => void;
};

export function ConfirmDiscard({ session, isNew, isOpen, onClose, onGone }: Props) {
  const [isBusy, setBusy] = useState(false);
  const queryClient = useQueryClient();
  const discard = async () => {
    setBusy(true);
    try {
      await session.discard();
      void queryClient.invalidateQueries({ queryKey: ["drafts"] });
      onClose();
      if (isNew) onGone();
    } catch (error) {
      toast.failure(strings.discardFailed, error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <ConfirmDialog
      isOpen={isOpen}
      title={strings.discardAsk}
      action={strings.discardDo}
      isPending={isBusy}
      onConfirm={() => void discard()}
      onClose={onClose}
    >
      {isNew ? strings.discardNewText : strings.discardText}
    </ConfirmDialog>
  );
}
