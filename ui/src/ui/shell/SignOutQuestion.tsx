import { Button, Group, Modal, Text } from "@mantine/core";
import { useSignOutQuestion } from "./signOutChecks";

/** Asks a person who has something to lose. */
export function SignOutQuestion() {
  const question = useSignOutQuestion();
  if (question === null) return null;
  return (
    <Modal opened onClose={() => question.answer(false)} title="Sign out?">
      {question.reasons.map((reason) => (
        <Text key={reason}>{reason}</Text>
      ))}
      <Group justify="flex-end" mt="md" gap="sm">
        <Button variant="default" onClick={() => question.answer(false)} data-autofocus>
          Stay signed in
        </Button>
        <Button color="red" onClick={() => question.answer(true)}>
          Sign out anyway
        </Button>
      </Group>
    </Modal>
  );
}
