import { Button, Group, Modal, Text } from "@mantine/core";
import type { Question } from "./signOutChecks";

export default function SignOutDialog({ question }: { question: Question }) {
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
