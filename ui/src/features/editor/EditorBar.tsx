import { ActionIcon, Button, Menu } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { CircleCheck, CircleDashed, Ellipsis, FlaskConical, Play, Save } from "lucide-react";
import { useState } from "react";
import { useCan } from "@/api/access";
import { ConfirmDiscard } from "./ConfirmDiscard";
import { hasChanges, isKept } from "./draftNeeds";
import type { DraftSession } from "./draftSession";
import type { DraftState } from "./draftTypes";
import classes from "./EditorView.module.css";
import { strings } from "./strings";
import { useCanEdit } from "./useCanEdit";

type Props = {
  session: DraftSession;
  state: DraftState;
  onSave: () => void;
  onTest: () => void;
  onRun: () => void;
};

/** What became of the text, and the buttons. */
export function EditorBar({ session, state, onSave, onTest, onRun }: Props) {
  const [isDiscarding, setDiscarding] = useState(false);
  const canWrite = useCanEdit(session.id);
  const canExecute = useCan("pipelines:execute");
  const navigate = useNavigate();
  const isChanged = hasChanges(state);
  const isSaving = state.request?.kind === "save" || state.wantsSave;
  return (
    <div className={classes.bar}>
      <div className={classes.state} role="status" aria-label="Draft">
        {canWrite ? <Saved state={state} isChanged={isChanged} /> : strings.readOnly}
      </div>
      <div className={classes.buttons} data-page-actions>
        {canWrite && (
          <Menu>
            <Menu.Target>
              <ActionIcon aria-label="More actions">
                <Ellipsis size={16} aria-hidden />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item disabled={!isChanged} color="red" onClick={() => setDiscarding(true)}>
                {strings.discard}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
        {canExecute && (
          <>
            <Button
              variant="default"
              leftSection={<FlaskConical size={16} aria-hidden />}
              onClick={onTest}
            >
              {strings.test}
            </Button>
            <Button
              variant="default"
              leftSection={<Play size={16} aria-hidden />}
              disabled={state.base.version === null}
              onClick={onRun}
            >
              {strings.run}
            </Button>
          </>
        )}
        {canWrite && (
          <Button
            leftSection={<Save size={16} aria-hidden />}
            loading={isSaving && state.unreachable === null}
            disabled={!isChanged || state.conflict !== null}
            onClick={onSave}
          >
            {strings.save}
          </Button>
        )}
      </div>
      <ConfirmDiscard
        session={session}
        isNew={state.base.version === null}
        isOpen={isDiscarding}
        onClose={() => setDiscarding(false)}
        onGone={() => void navigate({ to: "/pipelines" })}
      />
    </div>
  );
}

function Saved({ state, isChanged }: { state: DraftState; isChanged: boolean }) {
  if (!isChanged) {
    return (
      <span className={classes.dot}>
        <CircleCheck size={16} aria-hidden />
        {strings.isSaved}
      </span>
    );
  }
  const kept = isKept(state) ? strings.kept : strings.keeping;
  return (
    <>
      <span className={classes.dot}>
        <CircleDashed size={16} aria-hidden />
        {strings.unsaved}
      </span>
      {state.unreachable === null && state.refused === null && (
        <span>{state.request?.kind === "save" ? strings.saving : kept}</span>
      )}
    </>
  );
}
